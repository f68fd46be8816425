// Bars of stacked parts, one bar a piece of time.

import { Plot } from "./plot.jsx";

/**
 * @param {object} props
 * @param {{start: string, end: string, parts: {series: number, name: string, value: number}[]}[]} props.pieces
 * @param {(value: number) => string} props.say a value in words
 */
export function Bars({ pieces, say, axis, label, zone, unsure = () => false, height }) {
  const sums = pieces.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const read = (at) => [
    ...pieces[at].parts.filter(({ value }) => value).map(({ name, value, series }) => ({ name, series, value: say(value) })),
    { name: "total", value: (unsure(at) ? "\u2265\u2009" : "") + say(sums[at]) },
  ];
  return (
    <Plot pieces={pieces} max={Math.max(0, ...sums)} format={axis} label={label} read={read} zone={zone} height={height}>
      {(scale) => pieces.map((piece, at) => <Bar key={piece.start} piece={piece} left={scale.x(at)} scale={scale} />)}
    </Plot>
  );
}

function Bar({ piece, left, scale }) {
  const gap = Math.min(8, scale.band * 0.22);
  let height = 0;
  return piece.parts.map(({ series, name, value }) => {
    const [bottom, top] = [scale.y(height), scale.y(height + value)];
    height += value;
    // A line of the ground between parts: they are told apart without their colours.
    const size = Math.max(0, bottom - top - (bottom - top > 3 ? 1 : 0));
    return <rect key={name} class={`mark f${series}`} x={left + gap / 2} y={top} width={Math.max(1, scale.band - gap)} height={size} />;
  });
}
