// Who and what spent most: a bar for each, a click looks only at it.

import { dimension, money, share, whole } from "../format.js";
import { records, usePanel } from "../panel.js";
import { address, show } from "../view.js";
import { Card, Nothing } from "./card.jsx";

const SHOWN = 8;

export function Top({ view, by, title }) {
  const panel = usePanel(address("spend", view, { by, limit: 50 }));
  const rows = records(panel.table);
  const largest = Math.max(0, ...rows.map(({ cost }) => Number(cost ?? 0)));
  const quiet = { ...panel, table: panel.table && { ...panel.table, notes: [] } };
  return (
    <Card title={title} panel={quiet}>
      {rows.length === 0 ? <Nothing>No calls in this time.</Nothing> : (
        <ol class="tops">{rows.slice(0, SHOWN).map((row) => <Row key={row[by]} row={row} by={by} largest={largest} />)}</ol>
      )}
      {rows.length > SHOWN && <p class="note">{rows.length === 50 ? "50 or more" : rows.length} {dimension(by)}s in all; <button type="button" class="link" onClick={() => show({ by })}>see them over time</button> or export them.</p>}
    </Card>
  );
}

function Row({ row, by, largest }) {
  const name = row[by];
  const part = row.cost === null || !largest ? 0 : Number(row.cost) / largest;
  const unsure = (row.unpriced ?? 0) + (row.partial ?? 0) > 0;
  return (
    <li>
      <button type="button" class="top" title={`Only ${name}: ${whole(row.calls)} calls`} onClick={() => show({ [by]: name === "(none)" ? "" : name })}>
        <span class="top-name">{name}</span>
        <span class="number top-cost">{unsure && row.cost !== null ? "\u2265\u2009" : ""}{money(row.cost)}</span>
        <span class="number top-share">{row.share === null ? "" : share(row.share)}</span>
        <span class="top-bar" aria-hidden="true"><span class="mark" style={{ width: `${Math.max(part * 100, part > 0 ? 0.5 : 0)}%` }} /></span>
      </button>
    </li>
  );
}
