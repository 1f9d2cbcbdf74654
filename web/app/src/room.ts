// Rooms as the page's address names them.

const MAX_BYTES = 128;
const KEY = "key=";

const FIRST = "amber brave calm clear early fresh gentle golden green happy light little lucky merry mild quick quiet silver sunny warm";
const SECOND = "birch brook cedar cloud coral field finch heron lake lark maple meadow otter pebble pine reed river sparrow stone willow";

/** A name for a new room that can be said aloud, and that nobody else is likely to have taken. */
export function newRoom(random: (limit: number) => number): string {
  const pick = (words: string) => {
    const all = words.split(" ");
    return all[random(all.length)];
  };
  return `${pick(FIRST)}-${pick(SECOND)}-${1000 + random(9000)}`;
}

/** Why this cannot be the name of a room; `null` when it can. */
export function roomProblem(room: string): string | null {
  if (/[\u0000-\u001f\u007f-\u009f]/.test(room)) return "it holds control characters";
  if (new TextEncoder().encode(room).length > MAX_BYTES) return "it is too long";
  return null;
}

/** The room that the address names; `null` where it names none. */
export function roomIn(address: URL): string | null {
  return address.searchParams.get("room") || null;
}

/** The link that brings others to the room, and leaves out everything else of this address. */
export function linkTo(room: string, key: string | null, address: URL): string {
  const link = new URL(address.pathname, address);
  link.searchParams.set("room", room);
  if (key !== null) link.hash = fragmentOf(key);
  return link.href;
}

/** The fragment of an address that holds the room's secret. */
export function fragmentOf(key: string): string {
  return `#${KEY}${key}`;
}

/**
 * The room's secret, which stands in the fragment of its link, since browsers send no fragments to
 * servers; `null` where there is none that would do.
 */
export function keyIn(address: URL): string | null {
  const fragment = address.hash.slice(1);
  const key = fragment.startsWith(KEY) ? fragment.slice(KEY.length) : "";
  return /^[\w-]{22,}$/.test(key) ? key : null;
}

/** A secret for a new room, from 16 random bytes. */
export function newKey(bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The signaling server that the address names, or else the one that served the page. */
export function serverFor(address: URL): string {
  const named = address.searchParams.get("server");
  if (named) return named;
  const secure = address.protocol === "https:";
  return `${secure ? "wss" : "ws"}://${address.host}/ws`;
}
