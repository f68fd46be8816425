// Standing budgets: how full, how fast, when empty; and one of them in its window, with where that leads.

import { useState } from "preact/hooks";
import { Lines } from "../charts/lines.jsx";
import { DataTable } from "../charts/plot.jsx";
import { brief, date, money, moneyTick, share, whole } from "../format.js";
import { records, usePanel } from "../panel.js";
import { address } from "../view.js";
import { Card, Nothing } from "./card.jsx";

const SHOWN = 8;

function amount(unit, short) {
  return unit === "usd" ? (value) => money(value, { short }) : (value) => `${short ? brief(Number(value)) : whole(Number(value))}${short ? "" : ` ${unit}`}`;
}

export function Budgets({ zone }) {
  const panel = usePanel(address("budgets", {}));
  const rows = records(panel.table).sort((one, other) => other.utilization - one.utilization);
  const [picked, setPicked] = useState(null);
  const name = ({ budget, bucket }) => {
    const split = rows.some((row) => row.budget === budget && row.bucket);
    return split || bucket ? `${budget} \u00b7 ${bucket ?? "(none)"}` : budget;
  };
  const chosen = rows.find((row) => picked && row.budget === picked.budget && row.bucket === picked.bucket) ?? rows[0];
  return (
    <Card title="Budgets" wide panel={panel} note={rows.length ? "Each in its own window of now; the range and the filters above do not apply." : undefined}>
      {rows.length === 0 ? (
        <Nothing>No budget has been set for this ledger. In a shell: <code>farebox budgets set "each tenant" --limit 20 --window day --per tenant_id</code></Nothing>
      ) : (
        <div class="budgets">
          <ul class="budget-list" aria-label="Budgets, the fullest first">
            {rows.slice(0, SHOWN).map((row) => <Budget key={`${row.budget} ${row.bucket}`} row={row} name={name(row)} zone={zone} chosen={row === chosen} pick={() => setPicked(row)} />)}
            {rows.length > SHOWN && <li class="note">and {rows.length - SHOWN} less full: farebox budgets status</li>}
          </ul>
          <Burn row={chosen} name={name(chosen)} zone={zone} />
        </div>
      )}
    </Card>
  );
}

function state(row) {
  if (row.utilization >= 1) return ["over", "used up"];
  if (row.exhausted_at) return ["near", "will not last"];
  return row.utilization >= 0.8 ? ["near", "nearly used up"] : ["fine", "lasts"];
}

function Budget({ row, name, zone, chosen, pick }) {
  const say = amount(row.unit);
  const [kind, words] = state(row);
  return (
    <li>
      <button type="button" class="budget" aria-pressed={chosen} onClick={pick}>
        <span class="budget-name">{name}</span>
        <span class={`badge ${kind}`}>{words}</span>
        <span class="budget-bar" aria-hidden="true"><span class={`mark ${kind}`} style={{ width: `${Math.min(100, row.utilization * 100)}%` }} /></span>
        <span class="note">
          {say(row.spent)} of {say(row.limit)} ({share(row.utilization)}) in {row.window}
          {row.exhausted_at && row.exhausted_at !== "now" ? `; at this rate empty ${date(row.exhausted_at, zone)}` : ""}
        </span>
      </button>
    </li>
  );
}

function Burn({ row, name, zone }) {
  const panel = usePanel(address("burn", { zone }, { name: row.budget, bucket: row.bucket ?? "" }), { quiet: 3000 });
  const rows = records(panel.table);
  const known = rows.filter((one) => one.spent !== null && one.forecast === null);
  const [now, end] = rows.filter((one) => one.forecast !== null);
  const pieces = known.map((one, at) => ({ start: one.moment, end: known[at + 1]?.moment ?? one.moment }));
  const left = now && known.length ? Math.max(0, Math.round((Date.parse(end.moment) - Date.parse(now.moment)) / Math.max(1, (Date.parse(known.at(-1).moment) - Date.parse(known[0].moment)) / Math.max(1, known.length - 1)))) : 0;
  const ahead = Math.min(left, 200);
  for (let at = 1; at <= ahead; at += 1) {
    const place = new Date(Date.parse(now.moment) + ((Date.parse(end.moment) - Date.parse(now.moment)) * at) / ahead).toISOString();
    pieces.push({ start: place, end: place });
  }
  const spent = [...known.map((one) => Number(one.spent)), ...Array(ahead).fill(null)];
  const forecast = now ? [...Array(Math.max(0, known.length - 1)).fill(null), Number(now.forecast), ...Array.from({ length: ahead }, (_, at) => Number(now.forecast) + ((Number(end.forecast) - Number(now.forecast)) * (at + 1)) / ahead)] : [];
  const say = amount(row.unit);
  return (
    <div class="burn">
      <h3>{name}</h3>
      {panel.error && <p class="note">{panel.error.message}</p>}
      {pieces.length > 0 && (
        <Lines
          pieces={pieces}
          lines={[{ name: "spent", series: 0, values: spent }, ...(now ? [{ name: "at this rate", series: 1, dashed: true, values: forecast }] : [])]}
          say={say}
          axis={row.unit === "usd" ? moneyTick : amount(row.unit, true)}
          label={`Use of the budget ${row.budget} in its window, with where this rate leads`}
          zone={zone}
          height={260}
          filled
          marker={{ value: Number(row.limit), name: `limit ${say(row.limit)}` }}
        />
      )}
      {end && <p class="note">At the rate of this window so far: {say(end.forecast)} of {say(row.limit)} at its end, {date(end.moment, zone)}.</p>}
      {panel.table?.notes.map((text) => <p key={text} class="note">{text}</p>)}
      <DataTable table={panel.table} zone={zone} label="this budget" />
    </div>
  );
}
