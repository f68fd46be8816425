// What every chart has: its size in real pixels, axes, a pointer and arrow keys that read it piece by piece, and a table.

import { nice, ticks } from "d3-array";
import { useEffect, useRef, useState } from "preact/hooks";
import { cell, span, tick } from "../format.js";

const MARGIN = { top: 12, right: 8, bottom: 24, left: 56 };

export function useWidth() {
  const place = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  return [place, width];
}

/**
 * @param {object} props
 * @param {{start: string, end: string}[]} props.pieces what is on the horizontal axis, from left to right
 * @param {number} props.max the largest value
 * @param {(value: number) => string} props.format of the vertical axis
 * @param {string} props.label what the chart shows, for those who do not see it
 * @param {(at: number) => {name: string, value: string, series?: number}[]} props.read what a piece says
 * @param {(scale: object) => any} props.children draws the marks
 */
export function Plot({ pieces, max, format, label, read, zone, height = 240, children }) {
  const [place, width] = useWidth();
  const [at, setAt] = useState(null);
  const inner = { width: Math.max(0, width - MARGIN.left - MARGIN.right), height: height - MARGIN.top - MARGIN.bottom };
  const [, top] = nice(0, max || 1, 4);
  const lines = ticks(0, top, 4);
  const band = pieces.length ? inner.width / pieces.length : 0;
  const scale = { x: (piece) => piece * band, y: (value) => inner.height * (1 - value / top), band, ...inner };
  const shown = at !== null && at < pieces.length ? at : null;

  const point = (event) => {
    const left = event.clientX - event.currentTarget.getBoundingClientRect().left - MARGIN.left;
    setAt(band && left >= 0 && left < inner.width ? Math.floor(left / band) : null);
  };
  const keys = (event) => {
    const last = pieces.length - 1;
    const moves = { ArrowLeft: (shown ?? last + 1) - 1, ArrowRight: (shown ?? -1) + 1, Home: 0, End: last };
    if (event.key === "Escape") setAt(null);
    if (!(event.key in moves)) return;
    event.preventDefault();
    setAt(Math.min(last, Math.max(0, moves[event.key])));
  };
  const title = shown === null ? "" : span(pieces[shown].start, pieces[shown].end, zone);
  const said = shown === null ? [] : read(shown);
  const spoken = shown === null ? "" : `${title}: ${said.map(({ name, value }) => `${name} ${value}`).join(", ")}`;

  return (
    <div class="plot" ref={place} style={{ height: `${height}px` }}>
      <div
        class="plot-area"
        tabIndex={0}
        role="img"
        aria-label={`${label}. Arrow keys read it piece by piece.`}
        onPointerMove={point}
        onPointerLeave={() => setAt(null)}
        onKeyDown={keys}
        onBlur={() => setAt(null)}
      >
        <svg width={width} height={height} aria-hidden="true">
          <g transform={`translate(${MARGIN.left},${MARGIN.top})`}>
            {lines.map((value) => (
              <g key={value} transform={`translate(0,${scale.y(value)})`}>
                <line class={value === 0 ? "base" : "rule"} x2={inner.width} />
                <text class="tick" x={-8} dy="0.32em" text-anchor="end">{format(value, lines[1] - lines[0])}</text>
              </g>
            ))}
            {shown !== null && <rect class="cursor" x={scale.x(shown)} width={band} height={inner.height} />}
            {width > 0 && children(scale)}
            <Labels pieces={pieces} band={band} y={inner.height} zone={zone} />
          </g>
        </svg>
      </div>
      {shown !== null && <Tip title={title} said={said} left={MARGIN.left + scale.x(shown) + band / 2} width={width} />}
      <div class="unseen" aria-live="polite">{spoken}</div>
    </div>
  );
}

function Labels({ pieces, band, y, zone }) {
  if (!pieces.length || !band) return null;
  const every = Math.max(1, Math.ceil(64 / band));
  const middle = pieces[Math.floor((pieces.length - 1) / 2)]; // the first and the last may be cut off
  const length = Math.max(new Date(middle.end) - new Date(middle.start), (new Date(pieces.at(-1).start) - new Date(pieces[0].start)) / Math.max(1, pieces.length));
  return pieces.map(({ start }, at) =>
    at % every === 0 && band * (pieces.length - at) > 24 ? (
      <text key={start} class="tick" x={(at + 0.5) * band} y={y + 17} text-anchor="middle">{tick(start, length, zone)}</text>
    ) : null,
  );
}

function Tip({ title, said, left, width }) {
  const side = left > width / 2 ? { right: `${width - left + 14}px` } : { left: `${left + 14}px` };
  return (
    <div class="tip" style={side} aria-hidden="true">
      <strong>{title}</strong>
      {said.map(({ name, value, series }) => (
        <div key={name} class="tip-row">
          <span class={series === undefined ? "" : `swatch s${series}`} />
          <span class="tip-name">{name}</span>
          <span class="number">{value}</span>
        </div>
      ))}
    </div>
  );
}

/** The numbers of a chart as a table, for readers of every kind. */
export function DataTable({ table, zone, label }) {
  const [open, setOpen] = useState(false);
  if (!table?.rows.length) return null;
  const right = (column) => (["text", "time"].includes(column.kind) ? "" : "number");
  return (
    <details class="data" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Show the numbers of {label}</summary>
      {open && <div class="scroll" tabIndex={0} role="region" aria-label={`Numbers of ${label}`}>
        <table>
          <thead>
            <tr>{table.columns.map((column) => <th key={column.name} scope="col" class={right(column)}>{column.title}</th>)}</tr>
          </thead>
          <tbody>
            {table.rows.map((row, at) => (
              <tr key={at}>{row.map((value, index) => <td key={index} class={right(table.columns[index])}>{cell(value, table.columns[index], zone)}</td>)}</tr>
            ))}
          </tbody>
        </table>
      </div>}
    </details>
  );
}
