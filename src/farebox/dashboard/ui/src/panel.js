// A panel's table: fetched, fetched again when the ledger changes, kept on the screen while that happens.

import { useEffect, useRef, useState } from "preact/hooks";
import { listen } from "./live.js";

const QUIET = 1500; // milliseconds between two fetches of a panel while calls pour in

const asked = new Map();

/** Ask before anybody shows the answer: the first who loads it takes it. */
export function foresee(url) {
  const answer = fetch(url);
  answer.catch(() => {}); // whoever takes it says so
  asked.set(url, answer);
}

async function load(url, signal) {
  const early = asked.get(url);
  asked.delete(url);
  const response = await (early ?? fetch(url, { signal }));
  if (response.ok) return { ...(await response.json()), behind: response.headers.has("Age") };
  const body = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  throw Object.assign(new Error(body.error), { status: response.status });
}

/** { table, error, retry } of a panel; `url` null asks nothing. */
export function usePanel(url, { quiet = QUIET } = {}) {
  const [state, setState] = useState({ url: null, table: null, error: null });
  const [again, setAgain] = useState(0);
  const version = useRef(0);

  useEffect(() => {
    if (url === null) return undefined;
    const control = new AbortController();
    let timer = null;
    let busy = false;
    let stale = false;
    const ask = async () => {
      if (document.hidden || busy) {
        stale = true;
        return;
      }
      [busy, stale] = [true, false];
      try {
        const table = await load(url, control.signal);
        setState({ url, table, error: null });
        stale ||= table.behind; // it took long, and is computed again a little later
      } catch (error) {
        if (control.signal.aborted) return;
        const message = error.status ? error.message : "The dashboard does not answer: is farebox dashboard still running?";
        setState((before) => ({ url, table: before.url === url ? before.table : null, error: { message, status: error.status } }));
      }
      // Whatever changed meanwhile waits until it is quiet again.
      timer = setTimeout(() => {
        [busy, timer] = [false, null];
        if (stale) ask();
      }, quiet);
    };
    ask();
    const deaf = listen((news) => {
      if (news.version !== version.current) {
        version.current = news.version;
        ask();
      }
    });
    const look = () => !document.hidden && stale && !busy && ask();
    document.addEventListener("visibilitychange", look);
    const clock = setInterval(ask, 60000); // ranges move on with the time
    return () => {
      control.abort();
      clearTimeout(timer);
      clearInterval(clock);
      document.removeEventListener("visibilitychange", look);
      deaf();
    };
  }, [url, again]);

  const current = state.url === url;
  return { table: state.table, error: current ? state.error : null, fresh: current, retry: () => setAgain(again + 1) };
}

/** A table's rows as objects by column name. */
export function records(table) {
  if (!table) return [];
  return table.rows.map((row) => Object.fromEntries(table.columns.map((column, at) => [column.name, row[at]])));
}
