// What was saved, and against what; what the providers billed; which costs are not sure.

import { DataTable } from "../charts/plot.jsx";
import { money, share, whole } from "../format.js";
import { records, usePanel } from "../panel.js";
import { address, show } from "../view.js";
import { Card, Nothing } from "./card.jsx";

export function Unsure({ view, zone }) {
  const panel = usePanel(address("unpriced", view, { limit: 50 }));
  const rows = records(panel.table);
  return (
    <Card title="Costs that are not sure" panel={panel}>
      {rows.length === 0 ? <Nothing>{panel.table?.empty}</Nothing> : (
        <>
          <ul class="unsure-list">
            {rows.slice(0, 6).map((row) => (
              <li key={`${row.provider} ${row.model}`}>
                <button type="button" class="link" onClick={() => show({ provider: row.provider, model: row.model })}>{row.provider} {row.model}</button>
                <span class="note">
                  {[[row.unpriced, "unknown"], [row.partial, "a lower bound"], [row.estimated, "estimated"]].filter(([number]) => number).map(([number, what]) => `${whole(number)} ${what}`).join(", ")} of {whole(row.calls)}
                </span>
              </li>
            ))}
          </ul>
          <p class="note">A price for what is unknown: <code>farebox prices update</code>, or <code>[prices.rates]</code> in the settings, then <code>farebox reprice</code>.</p>
          <DataTable table={panel.table} zone={zone} label="costs that are not sure" />
        </>
      )}
    </Card>
  );
}

const METHODS = { routing: "Routing", prompt_cache: "Providers' caches", local_cache: "Own caches" };

export function Savings({ view, zone }) {
  const panel = usePanel(address("savings", view), { quiet: 3000 });
  const rows = records(panel.table);
  return (
    <Card title="Savings" panel={panel}>
      {rows.length === 0 ? <Nothing>{panel.table?.empty} Name a baseline with <code>farebox.tracked(baseline_model=...)</code>.</Nothing> : (
        <>
          <dl class="pairs">
            {rows.map((row) => (
              <div key={`${row.method} ${row.baseline}`}>
                <dt>{METHODS[row.method] ?? row.method}<span class="note"> against {row.baseline}</span></dt>
                <dd class={`number ${Number(row.saved) < 0 ? "loss" : ""}`}>{money(row.saved)}<span class="note"> {row.share === null ? "" : share(row.share)}</span></dd>
              </div>
            ))}
          </dl>
          <DataTable table={panel.table} zone={zone} label="savings" />
        </>
      )}
    </Card>
  );
}

/** Sums of the days that have a bill. */
function billed(rows) {
  const known = rows.filter((row) => row.billed !== null);
  const sum = (name) => known.reduce((total, row) => total + Number(row[name] ?? 0), 0);
  return { days: known.length, billed: sum("billed"), computed: sum("computed"), unexplained: sum("unexplained") };
}

export function Bills({ view, zone }) {
  const panel = usePanel(address("bills", view), { quiet: 10000 });
  const rows = records(panel.table);
  const sums = billed(rows);
  const gap = sums.billed - sums.computed;
  return (
    <Card title="Bills against the ledger" panel={panel}>
      {rows.length === 0 ? <Nothing>No bill was compared for this time. In a shell: <code>farebox reconcile</code></Nothing> : (
        <>
          <dl class="pairs">
            <div><dt>Billed by providers</dt><dd class="number">{money(String(sums.billed))}</dd></div>
            <div><dt>In the ledger for the same days</dt><dd class="number">{money(String(sums.computed))}</dd></div>
            <div><dt>Gap</dt><dd class={`number ${gap ? "loss" : ""}`}>{money(String(gap))}<span class="note"> {sums.computed ? share(gap / sums.computed) : ""}</span></dd></div>
            <div><dt>of it without a cause</dt><dd class="number">{money(String(sums.unexplained))}</dd></div>
          </dl>
          <p class="note">{whole(sums.days)} of {whole(rows.length)} days (UTC) have a bill; filters do not apply but the provider.</p>
          <DataTable table={panel.table} zone={zone} label="bills" />
        </>
      )}
    </Card>
  );
}
