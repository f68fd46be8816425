// What is looked at: range, grouping, filters, time zone; and how: theme, export.

import { useEffect, useRef, useState } from "preact/hooks";
import { dimension } from "../format.js";
import { records, usePanel } from "../panel.js";
import { RANGES, address, filtersOf, show } from "../view.js";
import { Segments } from "./card.jsx";

export function Ranges({ view }) {
  const custom = view.since !== undefined || view.until !== undefined;
  const [open, setOpen] = useState(custom);
  useEffect(() => setOpen(custom), [custom]);
  const pick = (range) => {
    if (range === "custom") setOpen(!open);
    else show({ range, since: null, until: null });
  };
  return (
    <div class="ranges">
      <Segments label="Range" value={custom ? "custom" : (view.range ?? "30d")} onPick={pick} options={[...RANGES, ["custom", "Custom", "Days of your own"]]} />
      {open && <Days view={view} />}
    </div>
  );
}

const DAY = 86400e3;
const shifted = (day, days) => new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY).toISOString().slice(0, 10);

function Days({ view }) {
  const today = new Date().toISOString().slice(0, 10);
  const [since, setSince] = useState(view.since?.slice(0, 10) ?? shifted(today, -6));
  const [last, setLast] = useState(view.until ? shifted(view.until.slice(0, 10), -1) : today);
  const wrong = !since || !last || since > last;
  const submit = (event) => {
    event.preventDefault();
    if (!wrong) show({ range: null, since, until: shifted(last, 1) });
  };
  return (
    <form class="days" onSubmit={submit}>
      <label>from <input type="date" value={since} max="2199-12-31" onInput={(event) => setSince(event.currentTarget.value)} /></label>
      <label>to and with <input type="date" value={last} max="2199-12-31" onInput={(event) => setLast(event.currentTarget.value)} /></label>
      <button type="submit" disabled={wrong}>Show</button>
      {wrong && <span class="note" role="status">The first day must not be behind the last.</span>}
    </form>
  );
}

export function Filters({ view, dimensions }) {
  const filters = filtersOf(view);
  return (
    <div class="filters" role="group" aria-label="Filters">
      {filters.map(([name, value]) => (
        <span key={name} class="chip">
          <span class="chip-name">{dimension(name)}</span> {value || "(none)"}
          <button type="button" aria-label={`Remove the filter ${dimension(name)} ${value || "none"}`} onClick={() => show({ [name]: null })}>{"\u00d7"}</button>
        </span>
      ))}
      <Adding view={view} dimensions={dimensions} />
      {filters.length > 1 && (
        <button type="button" class="quiet" onClick={() => show(Object.fromEntries(filters.map(([name]) => [name, null])))}>Clear all</button>
      )}
    </div>
  );
}

function Adding({ view, dimensions }) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("tenant_id");
  const [value, setValue] = useState("");
  const { table } = usePanel(open ? address("values", view, { by: name, limit: 200 }) : null);
  const submit = (event) => {
    event.preventDefault();
    show({ [name]: value });
    setOpen(false);
    setValue("");
  };
  if (!open) return <button type="button" class="quiet" onClick={() => setOpen(true)}>+ Add filter</button>;
  return (
    <form class="adding" onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <select aria-label="Dimension" value={name} onChange={(event) => setName(event.currentTarget.value)}>
        {dimensions.map((one) => <option key={one} value={one}>{dimension(one)}</option>)}
      </select>
      <input aria-label="Value; empty for calls without one" placeholder="value, or empty for none" list="filter-values" value={value} onInput={(event) => setValue(event.currentTarget.value)} maxLength={400} autoFocus />
      <datalist id="filter-values">{records(table).map((row) => <option key={row.value} value={row.value} />)}</datalist>
      <button type="submit">Add</button>
      <button type="button" class="quiet" onClick={() => setOpen(false)}>Cancel</button>
    </form>
  );
}

export function Zone({ view, home }) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zones = [...new Set([home, "UTC", here, view.zone].filter(Boolean))];
  const others = (Intl.supportedValuesOf?.("timeZone") ?? []).filter((zone) => !zones.includes(zone));
  return (
    <label class="zone">
      <span>Days are in</span>
      <select value={view.zone ?? home} onChange={(event) => show({ zone: event.currentTarget.value })}>
        <optgroup label="Near">{zones.map((zone) => <option key={zone} value={zone}>{zone.replaceAll("_", " ")}{zone === here ? " (here)" : ""}</option>)}</optgroup>
        <optgroup label="All">{others.map((zone) => <option key={zone} value={zone}>{zone.replaceAll("_", " ")}</option>)}</optgroup>
      </select>
    </label>
  );
}

const THEMES = [["auto", "Auto", "As the system says"], ["light", "Light", "Always light"], ["dark", "Dark", "Always dark"]];

export function applyTheme() {
  const theme = localStorage.getItem("farebox-theme") ?? "auto";
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  return theme;
}

export function Theme() {
  const [theme, setTheme] = useState(applyTheme);
  const pick = (name) => {
    localStorage.setItem("farebox-theme", name);
    setTheme(applyTheme());
  };
  return <Segments label="Theme" options={THEMES} value={theme} onPick={pick} />;
}

const FILES = [["spend", "Sums"], ["timeline", "Over time"], ["calls", "Calls"]];

export function Export({ view }) {
  const place = useRef(null);
  const close = () => {
    place.current.open = false;
  };
  return (
    <details class="menu" ref={place} onKeyDown={(event) => event.key === "Escape" && close()} onFocusOut={(event) => !place.current.contains(event.relatedTarget) && close()}>
      <summary>Export</summary>
      <div class="menu-body">
        <p class="note">This view: its range and filters.</p>
        {FILES.map(([panel, title]) => (
          <div key={panel} class="menu-row">
            <span>{title}{panel === "calls" ? "" : ` by ${dimension(view.by ?? "model")}`}</span>
            <a href={address(panel, view, { format: "csv" })} download aria-label={`${title} as CSV`}>CSV</a>
            <a href={address(panel, view, { format: "json" })} download aria-label={`${title} as JSON`}>JSON</a>
          </div>
        ))}
      </div>
    </details>
  );
}
