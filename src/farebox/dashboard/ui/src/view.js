// What is looked at, held in the address alone: a link, the back button and a reload all show the same.

import { useEffect, useState } from "preact/hooks";

export const RANGES = [
  ["1h", "1 h", "Last hour"],
  ["24h", "24 h", "Last 24 hours"],
  ["7d", "7 d", "Last 7 days"],
  ["30d", "30 d", "Last 30 days"],
  ["90d", "90 d", "Last 90 days"],
  ["month", "Month", "This month"],
  ["year", "12 mo", "Last 12 months"],
  ["all", "All", "Everything"],
];

const PLAIN = ["range", "since", "until", "zone", "by"];

export function readView() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

const listeners = new Set();

/** Show something else: `null` takes a parameter away. */
export function show(changes, { replace = false } = {}) {
  const parameters = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) parameters.delete(name);
    else parameters.set(name, value);
  }
  const address = parameters.size ? `?${parameters}` : location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  for (const tell of listeners) tell(readView());
}

addEventListener("popstate", () => {
  for (const tell of listeners) tell(readView());
});

export function useView() {
  const [view, setView] = useState(readView);
  useEffect(() => {
    listeners.add(setView);
    return () => listeners.delete(setView);
  }, []);
  return view;
}

/** The filters of a view: everything that is not about time or grouping. An empty value means calls without one. */
export function filtersOf(view) {
  return Object.entries(view).filter(([name]) => !PLAIN.includes(name));
}

/** The address of a panel for a view. */
export function address(panel, view, more = {}) {
  const parameters = new URLSearchParams({ ...view, ...more });
  return `api/${panel}${parameters.size ? `?${parameters}` : ""}`;
}
