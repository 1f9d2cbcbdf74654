// Rooms as the page's address names them.

const MAX_BYTES = 128;

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
export function linkTo(room: string, address: URL): string {
  const link = new URL(address.pathname, address);
  link.searchParams.set("room", room);
  return link.href;
}

/** The signaling server that the address names, or else the one that served the page. */
export function serverFor(address: URL): string {
  const named = address.searchParams.get("server");
  if (named) return named;
  const secure = address.protocol === "https:";
  return `${secure ? "wss" : "ws"}://${address.host}/ws`;
}
