// Caches and latency over time.

import { Bars } from "../charts/bars.jsx";
import { Lines } from "../charts/lines.jsx";
import { DataTable } from "../charts/plot.jsx";
import { brief, duration, share, whole } from "../format.js";
import { records, usePanel } from "../panel.js";
import { address } from "../view.js";
import { Card, Nothing } from "./card.jsx";

/** Sums of a timeline's groups, piece by piece. */
function summed(rows) {
  const pieces = new Map();
  for (const row of rows) {
    const piece = pieces.get(row.start) ?? { start: row.start, end: row.end, read: 0, written: 0, input: 0, output: 0 };
    piece.read += row.cache_read_tokens;
    piece.written += row.cache_write_tokens;
    piece.input += row.input_tokens;
    piece.output += row.output_tokens;
    pieces.set(row.start, piece);
  }
  return [...pieces.values()];
}

export function Caches({ view, zone }) {
  const panel = usePanel(address("timeline", view));
  const pieces = summed(records(panel.table));
  const values = pieces.map(({ read, input }) => (input ? read / input : null));
  const used = values.some((value) => value);
  return (
    <Card title="Input from the providers' caches" panel={{ ...panel, table: panel.table && { ...panel.table, notes: [] } }}>
      {used ? (
        <Lines pieces={pieces} lines={[{ name: "from cache", series: 2, values }]} say={share} axis={share} label="Share of input tokens read from a cache, over time" zone={zone} max={1} filled />
      ) : <Nothing>No provider said that it read input from a cache in this time. Long prompts that begin alike are what caches are for.</Nothing>}
    </Card>
  );
}

export function Tokens({ view, zone }) {
  const panel = usePanel(address("timeline", view));
  const pieces = summed(records(panel.table)).map(({ start, end, read, written, input, output }) => ({
    start,
    end,
    parts: [
      { name: "input", series: 0, value: Math.max(0, input - read - written) },
      { name: "input from cache", series: 4, value: read },
      { name: "input written to cache", series: 2, value: written },
      { name: "output", series: 1, value: output },
    ],
  }));
  const written = pieces.some(({ parts }) => parts[2].value);
  const any = pieces.some(({ parts }) => parts.some(({ value }) => value));
  return (
    <Card title="Tokens by kind" panel={{ ...panel, table: panel.table && { ...panel.table, notes: [] } }}>
      {any ? (
        <>
          <Bars pieces={pieces} say={whole} axis={brief} label="Tokens by kind over time" zone={zone} height={180} />
          <Key names={[["input", 0], ["from cache", 4], ...(written ? [["written to cache", 2]] : []), ["output", 1]]} />
        </>
      ) : <Nothing>No tokens were counted in this time.</Nothing>}
    </Card>
  );
}

export function Latency({ view, zone }) {
  const panel = usePanel(address("latency", view));
  const rows = records(panel.table);
  const lines = [
    { name: "p95", series: 5, values: rows.map((row) => row.p95_ns) },
    { name: "p50", series: 0, values: rows.map((row) => row.p50_ns) },
    { name: "first chunk, p50", series: 2, dashed: true, values: rows.map((row) => row.first_chunk_p50_ns) },
  ].filter(({ values }) => values.some((value) => value !== null));
  return (
    <Card title="Latency" panel={panel}>
      {lines.length ? (
        <>
          <Lines pieces={rows} lines={lines} say={duration} axis={(value) => (value ? duration(value) : "0")} label="Latency over time: half and 95 percent of calls took no longer" zone={zone} />
          <Key names={lines.map(({ name, series }) => [name, series])} />
        </>
      ) : <Nothing>Nothing was timed in this time.</Nothing>}
      <DataTable table={panel.table} zone={zone} label="latency" />
    </Card>
  );
}

export function Key({ names }) {
  return <ul class="legend">{names.map(([name, series]) => <li key={name} class="legend-item"><span class={`swatch s${series}`} />{name}</li>)}</ul>;
}
