// Rooms as the page's address names them.

import { texts } from "./texts/index.js";

const MAX_BYTES = 128;
const ROOM = "room";
const SERVER = "server";
const KEY = "key";
const READ = "read";
const TOKEN = "token";
const MOMENT = "at";
/** The names of the parameters of a link. */
const NAMES: readonly string[] = [ROOM, SERVER, KEY, READ, TOKEN, MOMENT];

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
function roomProblem(room: string): string | null {
  if (/[\u0000-\u001f\u007f-\u009f]/.test(room)) return texts.links.controlCharacters;
  if (new TextEncoder().encode(room).length > MAX_BYTES) return texts.links.tooLong;
  return null;
}

/** What a page holds of its room. */
export type RoomKey = { key: string } | { readKey: string } | null;

/** A room as the page's address names it. */
export interface RoomAddress {
  /** The readable name, which no server learns where there is a key; `null` where the address names none. */
  room: string | null;
  /** The secret of the room, which lets its holder write, or what lets its holder read; `null` where there is none that would do. */
  secret: RoomKey;
  /** What the server asks for to let the page in. */
  token: string | null;
}

/** Why a link to a room cannot be followed; `null` where it can. */
export function linkProblem(address: URL): string | null {
  const { room, secret } = roomIn(address);
  const fragment = new URLSearchParams(address.hash.slice(1));
  if (isChanged(fragment, room)) return texts.links.changed;
  // A room with a key is never opened as one without.
  if (secret === null && (fragment.has(KEY) || fragment.has(READ))) {
    return texts.links.badKey;
  }
  const problem = room === null ? null : roomProblem(room);
  return problem === null ? null : texts.links.badRoom(problem);
}

/**
 * Whether the key of a link stands in its room's name, or in a parameter of another name, since some program
 * encoded or changed the link. Such a link would lead to a room without a key.
 */
function isChanged(fragment: URLSearchParams, room: string | null): boolean {
  const inRoom = decodedAgain(room ?? "").split(/[&#]/).slice(1);
  if (inRoom.some((part) => part.includes("=") && NAMES.includes(beforeSign(part)))) return true;
  return [...fragment.keys()]
    .filter((name) => !NAMES.includes(name))
    .some((name) => decodedAgain(name).split(/[&#]/).some((part) => /(key|read)$/.test(beforeSign(part))));
}

function beforeSign(part: string): string {
  return part.replace(/=.*$/s, "");
}

/** The text in small letters, with the signs between parameters decoded that were encoded more than once. */
function decodedAgain(text: string): string {
  const small = text.toLowerCase().replaceAll("%26", "&").replaceAll("%23", "#");
  return small.replaceAll("%3d", "=").replaceAll("&amp;", "&");
}

/**
 * The room that the address names: in its fragment, which browsers send to no server, or, as in older
 * links and in those of rooms without a key, in its query.
 */
export function roomIn(address: URL): RoomAddress {
  const fragment = new URLSearchParams(address.hash.slice(1));
  return {
    room: fragment.get(ROOM) || address.searchParams.get(ROOM) || null,
    secret: secretIn(fragment),
    token: fragment.get(TOKEN) || null,
  };
}

function secretIn(fragment: URLSearchParams): RoomKey {
  const key = fragment.get(KEY) ?? "";
  if (/^[\w-]{22,}$/.test(key)) return { key };
  const readKey = fragment.get(READ) ?? "";
  return /^[\w-]{64}$/.test(readKey) ? { readKey } : null;
}

/** The link that brings others to the room, and leaves out everything else of this address. */
export function linkTo(room: string, secret: RoomKey, address: URL): string {
  const link = new URL(address.pathname, address);
  if (secret === null) link.searchParams.set(ROOM, room);
  else link.hash = fragmentOf(room, secret);
  return link.href;
}

/** The fragment of an address that holds the room's name and its secret. */
function fragmentOf(room: string, secret: NonNullable<RoomKey>): string {
  const parts = new URLSearchParams({ [ROOM]: room });
  if ("key" in secret) parts.set(KEY, secret.key);
  else parts.set(READ, secret.readKey);
  return `#${parts.toString()}`;
}

/**
 * The address that the page shows for its room: the name of a room with a key stands in the fragment alone,
 * also where an older link had it in the query.
 */
export function addressOf({ room, secret, token }: RoomAddress, address: URL): URL {
  const shown = new URL(address);
  if (secret === null || room === null) return shown;
  shown.searchParams.delete(ROOM);
  const tokenPart = token === null ? "" : `&${new URLSearchParams({ [TOKEN]: token }).toString()}`;
  shown.hash = fragmentOf(room, secret) + tokenPart;
  return shown;
}

/** The moment of the history that an address names, as a version in text. */
export function momentIn(address: URL): string | null {
  return new URLSearchParams(address.hash.slice(1)).get(MOMENT) || null;
}

/** The address with another moment of the history, or without one. */
export function withMoment(address: URL, moment: string | null): URL {
  const changed = new URL(address);
  const fragment = new URLSearchParams(changed.hash.slice(1));
  if (moment === null) fragment.delete(MOMENT);
  else fragment.set(MOMENT, moment);
  changed.hash = fragment.toString();
  return changed;
}

/** A secret for a new room, from 16 random bytes. */
export function newKey(bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The signaling server that the address names, or else the one that served the page. */
export function serverFor(address: URL): string {
  const named = address.searchParams.get(SERVER);
  if (named) return named;
  const secure = address.protocol === "https:";
  return `${secure ? "wss" : "ws"}://${address.host}/ws`;
}
