// The row of figures on top, each with its change against the period before.

import { atLeast, brief, change, duration, money, range, share, signed, whole } from "../format.js";

/** Costs are good when they fall; of a number of calls nobody knows. */
function Delta({ now, before, good = 0, against }) {
  const value = change(now, before);
  if (value === null) return <span class="delta">nothing to compare with</span>;
  if (Math.abs(value) < 0.0005) return <span class="delta">unchanged <span class="against">{against}</span></span>;
  const kind = good === 0 ? "" : Math.sign(value) === good ? "good" : "bad";
  return <span class={`delta ${kind}`}>{value > 0 ? "\u25b2" : "\u25bc"} {signed(value)} <span class="against">{against}</span></span>;
}

function Figure({ name, value, exact, children }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd class="figure-value" title={exact}>{value}</dd>
      <dd class="figure-note">{children}</dd>
    </div>
  );
}

const mean = ({ cost, calls, unpriced }) => (cost === null || calls - unpriced <= 0 ? null : Number(cost) / (calls - unpriced));

/** What besides is not sure. */
function doubts({ calls, unpriced, partial, estimated }) {
  if (!calls) return "no calls";
  const more = [[partial, "known in part"], [estimated, "estimated"]].filter(([number]) => number).map(([number, what]) => `${whole(number)} ${what}`);
  return more.join(", ") || (unpriced ? "in no sum" : "every cost is known");
}

/** It comes by itself: of one tenant it takes longer than the sums. */
function Latency({ pace }) {
  const [now, before] = pace;
  if (!now) return <Figure name="Latency, p95" value={"\u2026"}><span class="delta">reading</span></Figure>;
  return (
    <Figure name="Latency, p95" value={duration(now.p95_ns)} exact={`p50 ${duration(now.p50_ns)}`}>
      <Delta now={now.p95_ns} before={before.p95_ns} good={-1} against="vs before" />
    </Figure>
  );
}

export function Figures({ rows, pace, zone, forecast }) {
  const [now, before] = rows;
  const unsure = now.unpriced + now.partial;
  const delta = (name, good) => <Delta now={now[name]} before={before[name]} good={good} against="vs before" />;
  return (
    <>
      <dl class="figures" aria-label="Figures">
        <Figure name="Spend" value={atLeast(now.cost, unsure, { short: true })} exact={now.cost === null ? "unknown" : `$${now.cost}`}>{delta("cost", -1)}</Figure>
        {forecast && (
          <Figure name="Month forecast" value={money(forecast.forecast, { short: true })} exact={`$${forecast.forecast}`}>
            <span class="delta">80 %: {money(forecast.low, { short: true })} to {money(forecast.high, { short: true })}</span>
          </Figure>
        )}
        <Figure name="Calls" value={brief(now.calls)} exact={whole(now.calls)}>{delta("calls")}</Figure>
        <Figure name="A call" value={now.calls ? money(mean(now)) : "\u2013"} exact="mean of the calls with a known cost"><Delta now={mean(now)} before={mean(before)} good={-1} against="vs before" /></Figure>
        <Figure name="Input from cache" value={share(now.cached)} exact={`${whole(now.cache_read_tokens)} of ${whole(now.input_tokens)} tokens`}>{delta("cached", 1)}</Figure>
        <Figure name="Errors" value={share(now.error_rate)} exact={`${whole(now.errors)} of ${whole(now.calls)} calls`}>{delta("error_rate", -1)}</Figure>
        <Latency pace={pace} />
        <Figure name="Cost unknown" value={whole(now.unpriced)} exact="calls without a known price: in no sum">
          <span class={`delta ${unsure ? "bad" : "good"}`}>{doubts(now)}</span>
        </Figure>
      </dl>
      <p class="note figures-note">
        {range(now.since, now.until, zone)}, against {range(before.since, before.until, zone)}: as much of the time before as has passed of this.
        {now.refused > 0 && ` ${whole(now.refused)} calls were refused by a budget, and cost nothing.`}
        {now.lost > 0 && ` ${whole(now.lost)} calls have no end: their process died.`}
      </p>
    </>
  );
}
