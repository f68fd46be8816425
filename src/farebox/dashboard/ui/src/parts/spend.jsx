// Spend over time, stacked; in dollars, calls or tokens.

import { useState } from "preact/hooks";
import { Bars } from "../charts/bars.jsx";
import { DataTable } from "../charts/plot.jsx";
import { brief, dimension, money, moneyTick, whole } from "../format.js";
import { records, usePanel } from "../panel.js";
import { address, show } from "../view.js";
import { Card, Nothing, Segments } from "./card.jsx";

export const OTHERS = "(others)";
const LAST = 8; // the colour of what is none of the series

const MEASURES = [["cost", "Cost", "Dollars"], ["calls", "Calls", "Calls"], ["tokens", "Tokens", "Tokens in and out"]];
const GROUPS = [["model", "Model"], ["provider", "Provider"], ["tenant_id", "Tenant"], ["task_type", "Task"]];

const VALUE = {
  cost: (row) => Number(row.cost ?? 0),
  calls: (row) => row.calls,
  tokens: (row) => row.input_tokens + row.output_tokens,
};

const worn = new Map();

/** A colour for each name; what had one keeps it while the page lives, so that nothing changes its colour when it overtakes another. */
function colours(by, names) {
  if (!worn.has(by)) worn.set(by, new Map());
  const before = worn.get(by);
  const found = new Map();
  const taken = new Set();
  for (const name of names) {
    if (!before.has(name) || taken.has(before.get(name))) continue;
    found.set(name, before.get(name));
    taken.add(before.get(name));
  }
  for (const name of names) {
    if (found.has(name)) continue;
    const free = [...Array(LAST).keys()].find((colour) => !taken.has(colour)) ?? LAST;
    found.set(name, free);
    taken.add(free);
  }
  for (const [name, colour] of found) before.set(name, colour);
  return found;
}

/** Rows by piece of time, and the series in the order of the legend: the dearest first. */
export function stacked(rows, value, by) {
  const sums = new Map();
  for (const row of rows) if (row.group && row.group !== OTHERS) sums.set(row.group, (sums.get(row.group) ?? 0) + VALUE.cost(row));
  const names = [...sums.keys()].sort((one, other) => sums.get(other) - sums.get(one));
  const colour = colours(by, names);
  const series = (name) => colour.get(name) ?? LAST;
  const place = (name) => (name === OTHERS ? names.length : names.indexOf(name));
  const pieces = new Map();
  for (const row of rows) {
    if (!pieces.has(row.start)) pieces.set(row.start, { start: row.start, end: row.end, unpriced: 0, parts: [] });
    const piece = pieces.get(row.start);
    piece.unpriced += row.unpriced;
    if (row.group) piece.parts.push({ name: row.group, series: series(row.group), value: value(row) });
  }
  for (const piece of pieces.values()) piece.parts.sort((one, other) => place(one.name) - place(other.name));
  const others = rows.some(({ group }) => group === OTHERS) ? [[OTHERS, LAST]] : [];
  return { pieces: [...pieces.values()], legend: [...names.map((name) => [name, series(name)]), ...others] };
}

export function Spend({ view, zone, dimensions }) {
  const [measure, setMeasure] = useState("cost");
  const by = view.by ?? "model";
  const panel = usePanel(address("timeline", view));
  const rows = records(panel.table);
  // While another grouping is on its way, the one before stands there still.
  const shown = panel.table?.columns.find(({ name }) => name === "group").title ?? by;
  const { pieces, legend } = stacked(rows, VALUE[measure], shown);
  const say = measure === "cost" ? (value) => money(value) : whole;
  const axis = measure === "cost" ? moneyTick : brief;
  const label = `${MEASURES.find(([name]) => name === measure)[1]} over time by ${dimension(by)}`;
  const more = dimensions.filter((name) => !GROUPS.some(([one]) => one === name));
  const tools = (
    <div class="tools">
      <Segments label="Measure" options={MEASURES} value={measure} onPick={setMeasure} />
      <Segments label="Told apart by" options={GROUPS} value={by} onPick={(name) => show({ by: name })} />
      <select aria-label="Told apart by another dimension" value={more.includes(by) ? by : ""} onChange={(event) => event.currentTarget.value && show({ by: event.currentTarget.value })}>
        <option value="">more</option>
        {more.map((name) => <option key={name} value={name}>{dimension(name)}</option>)}
      </select>
    </div>
  );
  return (
    <Card title="Spend over time" wide panel={panel} tools={tools}>
      {legend.length === 0 ? <Nothing>No calls in this time.</Nothing> : (
        <>
          <Bars pieces={pieces} say={say} axis={axis} label={label} zone={zone} height={300} unsure={(at) => measure === "cost" && pieces[at].unpriced > 0} />
          <Legend legend={legend} by={shown} />
        </>
      )}
      <DataTable table={panel.table} zone={zone} label="spend over time" />
    </Card>
  );
}

function Legend({ legend, by }) {
  return (
    <ul class="legend" aria-label={`Series: a click shows only this ${dimension(by)}`}>
      {legend.map(([name, series]) => (
        <li key={name}>
          {name === OTHERS ? (
            <span class="legend-item"><span class={`swatch s${series}`} />{name}</span>
          ) : (
            <button type="button" class="legend-item" title={`Only ${name}`} onClick={() => show({ [by]: name === "(none)" ? "" : name })}>
              <span class={`swatch s${series}`} />{name}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
