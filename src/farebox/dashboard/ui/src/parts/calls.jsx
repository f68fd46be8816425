// The latest calls as they come in, and the arithmetic of one.

import { useEffect, useRef, useState } from "preact/hooks";
import { cell, duration, moment, money, whole } from "../format.js";
import { records, usePanel } from "../panel.js";
import { address } from "../view.js";
import { Card, Nothing, Problem } from "./card.jsx";

const PAGE = 15;

// What is no call to a model: the list has it, the sums have it where it is paid.
const KINDS = { cache_hit: "answered by a cache", operation: "operation" };

export function Calls({ view, zone }) {
  const [cursors, setCursors] = useState([]);
  const [open, setOpen] = useState(null);
  const key = JSON.stringify(view);
  useEffect(() => setCursors([]), [key]);
  const cursor = cursors.at(-1);
  const panel = usePanel(address("calls", view, { limit: PAGE, ...(cursor ? { cursor } : {}) }), { quiet: 400 });
  const rows = records(panel.table);
  const seen = useRef(null);
  const fresh = seen.current && !cursor ? rows.filter(({ id }) => !seen.current.has(id)).length : 0;
  useEffect(() => {
    seen.current = cursor ? null : new Set(rows.map(({ id }) => id));
  }, [panel.table]);
  const tools = (
    <div class="tools">
      <button type="button" disabled={!cursor} onClick={() => setCursors(cursors.slice(0, -1))}>Newer</button>
      <button type="button" disabled={rows.length < PAGE} onClick={() => setCursors([...cursors, rows.at(-1).cursor])}>Older</button>
    </div>
  );
  return (
    <Card title="Calls" wide panel={panel} tools={tools} note={cursor ? "An older page; it does not move." : "The latest first, as they come in. Open one to see how its cost is made up."}>
      {rows.length === 0 ? <Nothing>No calls in this time.</Nothing> : <CallTable rows={rows} zone={zone} fresh={fresh} open={setOpen} />}
      {open && <Call id={open} zone={zone} close={() => setOpen(null)} />}
    </Card>
  );
}

function CallTable({ rows, zone, fresh, open }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table of calls">
      <table class="calls">
        <thead>
          <tr>
            <th scope="col">Started</th>
            <th scope="col">Model</th>
            <th scope="col">Tenant</th>
            <th scope="col" class="minor">Task</th>
            <th scope="col" class="minor">Status</th>
            <th scope="col" class="number minor">In</th>
            <th scope="col" class="number minor">Out</th>
            <th scope="col" class="number minor">Took</th>
            <th scope="col" class="number">Cost</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={row.id} class={at < fresh ? "fresh" : ""}>
              <td><button type="button" class="link" onClick={() => open(row.id)}>{moment(row.started, zone)}</button></td>
              <td title={row.provider}>{row.model ?? "\u2013"}{KINDS[row.kind] && <span class="note"> {KINDS[row.kind]}</span>}</td>
              <td>{row.tenant_id ?? "\u2013"}</td>
              <td class="minor">{row.task_type ?? "\u2013"}</td>
              <td class="minor"><span class={`status ${row.status}`}>{row.status}</span></td>
              <td class="number minor">{row.input_tokens === null ? "\u2013" : whole(row.input_tokens)}</td>
              <td class="number minor">{row.output_tokens === null ? "\u2013" : whole(row.output_tokens)}</td>
              <td class="number minor">{duration(row.duration_ns)}</td>
              <td class="number" title={row.cost_status}>{money(row.cost)}{["estimated", "partial"].includes(row.cost_status) ? <span class="unsure"> {row.cost_status}</span> : ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Call({ id, zone, close }) {
  const dialog = useRef(null);
  const explain = usePanel(address("explain", { zone }, { name: id }), { quiet: 5000 });
  const fields = usePanel(address("call", { zone }, { name: id }), { quiet: 5000 });
  useEffect(() => dialog.current.showModal(), []);
  const outside = (event) => event.target === dialog.current && dialog.current.close();
  return (
    <dialog ref={dialog} aria-labelledby="call-title" onClose={close} onClick={outside}>
      <div class="dialog-body">
        <header class="card-head">
          <h2 id="call-title">How this cost is made up</h2>
          <button type="button" onClick={() => dialog.current.close()}>Close</button>
        </header>
        {explain.error && <Problem {...explain.error} retry={explain.retry} />}
        <Explanation table={explain.table} zone={zone} />
        <h3>What is stored of it</h3>
        <p class="note">Numbers, names and ids. No prompt and no answer is ever stored.</p>
        <dl class="fields">
          {records(fields.table).map(({ field, value }) => (
            <div key={field}><dt>{field}</dt><dd>{value}</dd></div>
          ))}
        </dl>
      </div>
    </dialog>
  );
}

function Explanation({ table, zone }) {
  if (!table) return <div class="waiting" aria-busy="true" />;
  const sources = table.columns.findIndex(({ name }) => name === "source");
  return (
    <>
      <p class="headline">{table.title}</p>
      {table.rows.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="The arithmetic">
          <table class="sums">
            <thead><tr>{table.columns.map(({ name, title }, index) => <th key={name} scope="col" class={index > 0 && index < 5 ? "number" : ""}>{title}</th>)}</tr></thead>
            <tbody>
              {table.rows.map((row, at) => (
                <tr key={at}>{row.map((value, index) => <td key={index} class={index > 0 && index < 5 ? "number" : ""}>{index === sources ? <Source text={value} /> : cell(value, table.columns[index], zone)}</td>)}</tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {table.notes.map((text) => <p key={text} class="note">{text}</p>)}
    </>
  );
}

function Source({ text }) {
  const safe = /^https:\/\/[^\s]+$/.test(text ?? "");
  return safe ? <a href={text} target="_blank" rel="noreferrer noopener">{new URL(text).hostname}</a> : (text ?? "");
}
