// Starts the page: theme first, so that it does not flash; then what the server says of itself; then everything.

import "./style.css";
import { render } from "preact";
import { App } from "./app.jsx";
import { start } from "./live.js";
import { foresee } from "./panel.js";
import { applyTheme } from "./parts/controls.jsx";
import { address, readView } from "./view.js";

applyTheme();
for (const [panel, more] of [["totals", { by: "model" }], ["timeline", {}]]) foresee(address(panel, readView(), more));

const place = document.getElementById("app");
const about = await fetch("api/about").then((response) => (response.ok ? response.json() : null)).catch(() => null);

if (about) {
  start();
  render(<App about={about} />, place);
} else {
  render(<p class="problem" role="alert">The dashboard does not let this page in. Open the address that farebox dashboard printed again.</p>, place);
}
