// The page.

import { useEffect, useState } from "preact/hooks";
import { dimension } from "./format.js";
import { listen } from "./live.js";
import { records, usePanel } from "./panel.js";
import { Budgets } from "./parts/budgets.jsx";
import { Calls } from "./parts/calls.jsx";
import { Problem } from "./parts/card.jsx";
import { Export, Filters, Ranges, Theme, Zone } from "./parts/controls.jsx";
import { Figures } from "./parts/figures.jsx";
import { Spend } from "./parts/spend.jsx";
import { Top } from "./parts/tops.jsx";
import { Caches, Latency, Tokens } from "./parts/trends.jsx";
import { Bills, Savings, Unsure } from "./parts/trust.jsx";
import { address, filtersOf, show, useView } from "./view.js";

export function App({ about }) {
  const view = useView();
  const zone = view.zone ?? about.zone;
  const totals = usePanel(address("totals", { ...view, by: "model" }));
  const rows = records(totals.table);
  const pace = usePanel(address("pace", { ...view, by: "model" }), { quiet: 3000 });
  const [forecast] = records(usePanel(address("forecast", Object.fromEntries([...filtersOf(view), ...(view.zone ? [["zone", view.zone]] : [])])), { quiet: 5000 }).table);
  const empty = rows.length > 0 && rows[0].calls === 0 && rows[0].refused === 0;
  return (
    <>
      <a class="skip" href="#main">To the numbers</a>
      <header class="masthead">
        <h1><img src="icon.svg" alt="" width="28" height="28" />farebox</h1>
        <Live />
        <div class="spring" />
        <Zone view={view} home={about.zone} />
        <Export view={view} />
        <Theme />
      </header>
      <nav class="controls" aria-label="What is shown">
        <Ranges view={view} />
        <Filters view={view} dimensions={about.dimensions} />
      </nav>
      <main id="main" tabIndex={-1}>
        {totals.error && <Problem message={totals.error.message} retry={totals.retry} />}
        {rows.length > 0 && <div class={totals.fresh ? "" : "old"}><Figures rows={rows} pace={pace.fresh ? records(pace.table) : []} zone={zone} forecast={forecast?.forecast ? forecast : null} /></div>}
        {empty && <Welcome view={view} />}
        {totals.error && <p class="note">This page looks again by itself; what is set above stays.</p>}
        {empty && <div class="grid"><Budgets zone={zone} /></div>}
        {!totals.error && !empty && (
          <div class="grid">
            <Spend view={view} zone={zone} dimensions={about.dimensions} />
            <Top view={view} by="tenant_id" title="Tenants" />
            <Top view={view} by="task_type" title="Tasks" />
            <Top view={view} by="model" title="Models" />
            <Budgets zone={zone} />
            <Caches view={view} zone={zone} />
            <Tokens view={view} zone={zone} />
            <Latency view={view} zone={zone} />
            <Savings view={view} zone={zone} />
            <Bills view={view} zone={zone} />
            <Unsure view={view} zone={zone} />
            <Calls view={view} zone={zone} />
          </div>
        )}
      </main>
      <footer class="foot">
        <p>Days, weeks and months begin at midnight in {zone.replaceAll("_", " ")}. Costs are list or negotiated prices of the book in force; refused calls count nothing.</p>
        <p><a href="licenses.txt">Licences</a></p>
      </footer>
    </>
  );
}

function Live() {
  const [state, setState] = useState({ connected: false });
  useEffect(() => listen(setState), []);
  return (
    <span class={`live ${state.connected ? "on" : ""}`} role="status">
      <span class="dot" aria-hidden="true" />{state.connected ? "Live" : "Not live: reconnecting"}
    </span>
  );
}

function Welcome({ view }) {
  const filters = filtersOf(view);
  const narrow = filters.length > 0 || (view.range ?? "30d") !== "all" || view.since;
  return (
    <section class="welcome" aria-label="Nothing to show">
      <h2>No calls here</h2>
      {filters.length > 0 && <p>None has {filters.map(([name, value]) => `${dimension(name)} ${value || "(none)"}`).join(" and ")} in this time.</p>}
      <p>
        {narrow && <button type="button" onClick={() => show({ range: "all", since: null, until: null, ...Object.fromEntries(filters.map(([name]) => [name, null])) })}>Show everything</button>}
      </p>
      <p>A program is metered from one line at its start on, and its calls appear here a second after they return:</p>
      <pre><code>import farebox{"\n"}farebox.instrument()</code></pre>
      <p>Does it run already? <code>farebox doctor</code> says which ledger it writes, and what it sees.</p>
    </section>
  );
}
