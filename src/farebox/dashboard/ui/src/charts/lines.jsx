// Lines over time; a piece without a value is a gap, never a 0.

import { area, line } from "d3-shape";
import { Plot } from "./plot.jsx";

/**
 * @param {object} props
 * @param {{start: string, end: string}[]} props.pieces
 * @param {{name: string, series: number, values: (number|null)[], dashed?: boolean}[]} props.lines
 */
export function Lines({ pieces, lines, say, axis, label, zone, max, height = 180, filled = false, marker = null }) {
  const largest = Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const read = (at) => lines.filter(({ values }) => values[at] !== null).map(({ name, series, values }) => ({ name, series, value: say(values[at]) }));
  return (
    <Plot pieces={pieces} max={max ?? Math.max(largest, marker?.value ?? 0)} format={axis} label={label} read={read} zone={zone} height={height}>
      {(scale) => (
        <g>
          {lines.map((one, at) => <Line key={one.name} one={one} scale={scale} filled={filled && at === 0} />)}
          {marker && <Marker {...marker} scale={scale} />}
        </g>
      )}
    </Plot>
  );
}

function Line({ one, scale, filled }) {
  const known = (value) => value !== null && value !== undefined;
  const x = (_, at) => scale.x(at + 0.5);
  const path = line().defined(known).x(x).y(scale.y);
  const under = area().defined(known).x(x).y0(scale.height).y1(scale.y);
  const alone = one.values.flatMap((value, at) => (known(value) && !known(one.values[at - 1]) && !known(one.values[at + 1]) ? [[at, value]] : []));
  return (
    <g>
      {filled && <path class={`under f${one.series}`} d={under(one.values)} />}
      <path class={`mark line l${one.series} ${one.dashed ? "dashed" : ""}`} d={path(one.values) ?? ""} />
      {alone.map(([at, value]) => <circle key={at} class={`mark f${one.series}`} cx={scale.x(at + 0.5)} cy={scale.y(value)} r="3" />)}
    </g>
  );
}

function Marker({ value, name, scale }) {
  return (
    <g transform={`translate(0,${scale.y(value)})`}>
      <line class="limit" x2={scale.width} />
      <text class="tick limit-name" x="4" y="-5">{name}</text>
    </g>
  );
}
