// News of the ledger, over one connection for all tabs: a browser allows six to one server, and a seventh tab would wait for ever.

const CHANNEL = "farebox-live";
const listeners = new Set();
let state = { version: 0, connected: false };

function tell(news) {
  state = { ...state, ...news };
  for (const listener of listeners) listener(state);
}

/** Hold the one connection, and pass on what it says, until this page goes. */
function lead(channel) {
  const pass = (news) => {
    tell(news);
    channel?.postMessage(news);
  };
  return new Promise(() => {
    let wait = 1000;
    const connect = () => {
      const source = new EventSource("api/events");
      source.addEventListener("open", () => {
        wait = 1000;
        pass({ connected: true });
      });
      source.addEventListener("version", (event) => pass({ version: Number(event.data), connected: true }));
      source.addEventListener("error", () => {
        pass({ connected: false });
        if (source.readyState === EventSource.CLOSED) {
          setTimeout(connect, wait);
          wait = Math.min(wait * 2, 30000);
        }
      });
    };
    connect();
    // A tab that comes later asks how things stand.
    if (channel) channel.onmessage = (event) => event.data === "?" && channel.postMessage(state);
  });
}

export function start() {
  if (!navigator.locks || !window.BroadcastChannel) {
    lead(null);
    return;
  }
  const channel = new BroadcastChannel(CHANNEL + location.pathname);
  channel.onmessage = (event) => event.data !== "?" && tell(event.data);
  channel.postMessage("?");
  navigator.locks.request(CHANNEL + location.pathname, () => lead(channel));
}

export function listen(listener) {
  listeners.add(listener);
  listener(state);
  return () => listeners.delete(listener);
}
