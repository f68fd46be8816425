// Numbers, money and times as people read them. Unknown is a word, never 0.

const count = new Intl.NumberFormat("en-US");
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const percent = new Intl.NumberFormat("en-US", { style: "percent", maximumFractionDigits: 1 });

/** Dollars with as many places as count: $1,234.50, $0.0132, $0.00000021. Takes the exact text. */
export function money(text, { short = false } = {}) {
  if (text === null || text === undefined) return "unknown";
  const value = Number(text);
  const size = Math.abs(value);
  if (short && size >= 10000) return sign(value) + "$" + compact.format(size);
  const places = size === 0 || size >= 1 ? 2 : Math.min(9, Math.max(2, 2 - Math.floor(Math.log10(size))));
  return sign(value) + "$" + size.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
}

/** Dollars on an axis: all of one axis with as many places as its step needs. */
export function moneyTick(value, step) {
  if (Math.abs(value) >= 10000) return money(value, { short: true });
  const places = step >= 1 && Number.isInteger(step) ? 0 : Math.min(9, Math.max(2, Math.ceil(-Math.log10(step) - 1e-9)));
  return "$" + value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
}

const sign = (value) => (value < 0 ? "\u2212" : "");

/** A sum of which a part is unknown: it is at least so much. */
export function atLeast(text, unsure, options) {
  return (unsure && text !== null ? "\u2265\u2009" : "") + money(text, options);
}

export const whole = (value) => (value === null || value === undefined ? "unknown" : count.format(value));
export const brief = (value) => (Math.abs(value) < 10000 ? count.format(value) : compact.format(value));
export const share = (value) => (value === null || value === undefined ? "\u2013" : percent.format(value));

/** Nanoseconds as 340 ms, 1.58 s, 2 min 5 s. */
export function duration(nanoseconds) {
  if (nanoseconds === null || nanoseconds === undefined) return "\u2013";
  const seconds = nanoseconds / 1e9;
  if (seconds < 0.9995) return `${(seconds * 1000).toPrecision(3).replace(/\.?0+$/, (zeros) => (zeros.startsWith(".") ? "" : zeros))} ms`;
  if (seconds < 60) return `${seconds.toPrecision(3)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** Change from one number to another, or null where there is nothing to compare with. */
export function change(now, before) {
  if (now === null || before === null || !Number(before)) return null;
  return Number(now) / Number(before) - 1;
}

export function signed(value) {
  const size = Math.abs(value) > 9.995 ? `${Math.abs(value + 1).toFixed(0)}\u00d7` : percent.format(Math.abs(value));
  return `${value < 0 ? "\u2212" : "+"}${size}`;
}

const formats = new Map();

function clock(zone, options) {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(key);
}

const DAY = { day: "numeric", month: "short" };
const TIME = { hour: "2-digit", minute: "2-digit" };

/** A piece of time on an axis, by how long pieces are. */
export function tick(iso, length, zone) {
  const options = length < 86400e3 * 0.9 ? TIME : length < 86400e3 * 27 ? DAY : length < 86400e3 * 300 ? { month: "short", year: "2-digit" } : { year: "numeric" };
  return clock(zone, options).format(new Date(iso));
}

/** From when to when a range is, in days where it has whole ones. */
export function range(start, end, zone) {
  const midnight = (iso) => /T00:00:00/.test(iso);
  if (midnight(start) && midnight(end)) return span(start, end, zone);
  const last = date(end, zone);
  const [day] = date(start, zone).split(",");
  return `${date(start, zone)} \u2013 ${last.startsWith(`${day},`) ? last.slice(day.length + 2) : last}`;
}

/** From when to when a piece of time is, in words. */
export function span(start, end, zone) {
  const length = new Date(end) - new Date(start);
  if (length < 86400e3 * 0.9) return `${clock(zone, { ...DAY, ...TIME }).format(new Date(start))}\u2013${clock(zone, TIME).format(new Date(end))}`;
  const whole = { weekday: "short", ...DAY, year: "numeric" };
  const last = new Date(new Date(end) - 1);
  if (length < 86400e3 * 1.1) return clock(zone, whole).format(new Date(start));
  return `${clock(zone, DAY).format(new Date(start))} \u2013 ${clock(zone, { ...DAY, year: "numeric" }).format(last)}`;
}

export const moment = (iso, zone) => clock(zone, { ...DAY, ...TIME, second: "2-digit" }).format(new Date(iso));
export const date = (iso, zone) => clock(zone, { ...DAY, ...TIME }).format(new Date(iso));

const NAMES = { tenant_id: "tenant", task_type: "task", workspace_id: "workspace", user_id: "user", session_id: "session", chain_id: "chain", cost_status: "cost status", error_type: "error" };

/** A dimension as people say it. */
export const dimension = (name) => NAMES[name] ?? name.replace(/^tag:/, "tag ").replaceAll("_", " ");

/** A cell by what its column holds. */
export function cell(value, column, zone) {
  if (column.kind === "money") return money(value);
  if (value === null || value === undefined) return "\u2013";
  if (column.kind === "count") return whole(value);
  if (column.kind === "percent") return share(value);
  if (column.kind === "duration") return duration(value);
  if (column.kind === "time" && /^\d{4}-\d\d-\d\dT/.test(value)) return date(value, zone);
  return String(value);
}
