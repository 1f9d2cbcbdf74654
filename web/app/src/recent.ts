// The rooms that this device has the text of.

import type { StoredEntry } from "crdt-wasm/storage";
import { linkTo, type RoomKey, roomIn } from "./room.js";
import { texts } from "./texts/index.js";

/** A room in the list. */
export interface RecentRoom {
  room: string;
  link: string;
  when: string;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MOST_SHOWN = 8;

/**
 * The name under which a room's text is stored: the part of its link that says which room that is. The same
 * room with another key is another one.
 */
export function storedName(room: string, secret: RoomKey, address: URL): string {
  const { search, hash } = new URL(linkTo(room, secret, address));
  return search + hash;
}

/** The rooms of the stored documents but the one that is open, those that were written last first. */
export function recentRooms(
  stored: readonly StoredEntry[],
  open: string,
  address: URL,
  now: number,
): RecentRoom[] {
  const others = stored.filter(({ name }) => name !== open);
  others.sort((one, other) => other.changed - one.changed);
  return others.slice(0, MOST_SHOWN).flatMap(({ name, changed }) => {
    // Another program of this site may store documents, too.
    if (!/^[?#]/.test(name)) return [];
    const link = new URL(name, new URL(address.pathname, address));
    const { room } = roomIn(link);
    return room === null ? [] : [{ room, link: link.href, when: ago(now - changed) }];
  });
}

/** A time that has passed, in words. */
export function ago(passedMs: number): string {
  if (passedMs < MINUTE_MS) return texts.recent.justNow;
  const [unit, length] =
    passedMs < HOUR_MS
      ? (["minute", MINUTE_MS] as const)
      : passedMs < DAY_MS
        ? (["hour", HOUR_MS] as const)
        : (["day", DAY_MS] as const);
  const words = new Intl.RelativeTimeFormat(texts.language, { numeric: "auto" });
  return words.format(-Math.floor(passedMs / length), unit);
}

/** Shows the rooms; nothing is shown where there are none. */
export function showRecent(section: HTMLElement, rooms: readonly RecentRoom[]): void {
  section.hidden = rooms.length === 0;
  const items = rooms.map(({ room, link, when }) => {
    const anchor = document.createElement("a");
    anchor.href = link;
    anchor.textContent = room;
    const time = document.createElement("span");
    time.className = "how";
    time.textContent = when;
    const item = document.createElement("li");
    item.append(anchor, time);
    return item;
  });
  section.querySelector("ul")?.replaceChildren(...items);
}
