// Updates that a page leaves behind as it ends. A transaction of IndexedDB that began then may never be
// done, while what is in `localStorage` is there at once. The next page that loads the document stores them.

const PREFIX = "crdt-wasm rescued ";
/** Beyond so many bytes nothing is left: browsers give a site about five megabytes. */
const MOST_BYTES = 2 ** 20;

/** Leaves updates behind. Returns what takes them away again, or null where they cannot be left. */
export function leaveBehind(database, name, updates) {
  const bytes = updates.reduce((sum, { length }) => sum + length, 0);
  if (bytes > MOST_BYTES) return null;
  const key = `${prefixOf(database, name)}${Math.random().toString(36).slice(2)}`;
  try {
    localStorage.setItem(key, JSON.stringify(updates.map(toBase64)));
    return () => localStorage.removeItem(key);
  } catch {
    // There is none, or no space in it.
    return null;
  }
}

/** What pages left behind of a document, each with what takes it away. */
export function leftBehind(database, name) {
  const prefix = prefixOf(database, name);
  try {
    const keys = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index));
    return keys.filter((key) => key.startsWith(prefix)).map((key) => ({
      updates: read(localStorage.getItem(key)),
      takeAway: () => localStorage.removeItem(key),
    }));
  } catch {
    return [];
  }
}

function prefixOf(database, name) {
  return `${PREFIX}${JSON.stringify([database, name])} `;
}

/** The updates in a text; none if it is not one that was left behind. */
function read(text) {
  try {
    return JSON.parse(text).map(fromBase64);
  } catch {
    return [];
  }
}

function toBase64(bytes) {
  let units = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    units += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  }
  return btoa(units);
}

function fromBase64(text) {
  const units = atob(text);
  return Uint8Array.from(units, (unit) => unit.charCodeAt(0));
}

/** Functions take only so many arguments. */
const PIECE = 2 ** 14;
