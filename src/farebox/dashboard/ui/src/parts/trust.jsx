// How far the numbers can be trusted: costs that are not sure.

import { DataTable } from "../charts/plot.jsx";
import { whole } from "../format.js";
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
