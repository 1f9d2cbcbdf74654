// The tabs of this browser that have the same document open; in Node, those in this program.

/** What the names of channels and locks begin with. */
const PREFIX = "crdt-wasm stored ";

/**
 * Joins the tabs that have a document of this database open. `receive` gets what one of them posts.
 *
 * Returns null where there are no broadcast channels.
 */
export function joinTabs(database, name, receive) {
  if (typeof BroadcastChannel !== "function") return null;
  const channel = new BroadcastChannel(`${PREFIX}${database} ${name}`);
  channel.addEventListener("message", ({ data }) => receive(data));
  // Node would wait for messages.
  channel.unref?.();
  return {
    post: (message) => channel.postMessage(message),
    leave: () => channel.close(),
  };
}

/** Acts, unless another tab is at it. Resolves to undefined in that case. */
export async function aloneAmongTabs(database, name, act) {
  const locks = globalThis.navigator?.locks;
  if (locks === undefined) return act();
  const lock = `${PREFIX}${database} ${name}`;
  return locks.request(lock, { ifAvailable: true }, (held) => (held === null ? undefined : act()));
}
