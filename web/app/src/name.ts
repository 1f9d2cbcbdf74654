// People's names, and the ids under which the network knows them.

import { texts } from "./texts/index.js";

const MARK = "~";
const SUFFIX = /~[0-9a-z]{6}$/;
const MAX_CHARACTERS = 40;

/** The name as it may be shown and sent: no control characters, no space around, not too long. */
export function tidyName(name: string): string {
  const visible = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "").trim();
  // At most 128 bytes in the end: 40 characters of the Basic Multilingual Plane have 120.
  let tidy = "";
  for (const character of visible) {
    if (tidy.length + character.length > MAX_CHARACTERS) break;
    tidy += character;
  }
  return tidy.trim() || texts.people.guest;
}

/** An id for this visit. Names may be taken twice in a room, ids may not, hence the suffix. */
export function agentIdFor(name: string, random: (limit: number) => number): string {
  const suffix = Array.from({ length: 6 }, () => random(36).toString(36)).join("");
  return tidyName(name) + MARK + suffix;
}

/** The name in an id; ids that other programs made are shown as they are. */
export function nameIn(agentId: string): string {
  return agentId.replace(SUFFIX, "") || agentId;
}

const FIRST = "Amber Brave Bright Calm Clever Eager Gentle Glad Golden Happy Jolly Keen Lucky Merry Nimble Quick Quiet Sunny Swift Witty";
const SECOND = "Badger Beaver Crane Dolphin Falcon Finch Fox Hare Heron Koala Lark Lynx Otter Owl Panda Puffin Robin Seal Swan Wren";

/** A friendly name for whoever has given none. */
export function newName(random: (limit: number) => number): string {
  const pick = (words: string) => {
    const all = words.split(" ");
    return all[random(all.length)];
  };
  return `${pick(FIRST)} ${pick(SECOND)}`;
}

/** How many colours there are: neighbours are easily told apart, and white can be read on all of them. */
const COLORS = 12;

/** A colour by its number; there are twelve, in the order of their hues. */
export function colorAt(index: number): string {
  return `oklch(0.5 0.14 ${(index % COLORS) * (360 / COLORS)})`;
}

function firstColorOf(agentId: string): number {
  let hash = 0;
  for (const character of agentId) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return (hash * 7) % COLORS;
}

/** The colour of whoever shows none: it follows from the id. */
export function colorOf(agentId: string): string {
  return colorAt(firstColorOf(agentId));
}

/**
 * A colour that nobody else in the room shows, as far as there are enough. Of two who have the same one, the one
 * whose id sorts last takes another.
 */
export function colorAmong(
  agentId: string,
  others: readonly { id: string; color: string }[],
): string {
  const first = firstColorOf(agentId);
  const own = colorAt(first);
  if (!others.some(({ id, color }) => color === own && id < agentId)) return own;
  for (let step = 1; step < COLORS; step += 1) {
    const free = colorAt(first + step);
    if (!others.some(({ color, id }) => color === free && id !== agentId)) return free;
  }
  return own;
}

/** The first letter, for a badge. */
export function initialOf(name: string): string {
  const [first = "?"] = new Intl.Segmenter().segment(name);
  return typeof first === "string" ? first : first.segment.toLocaleUpperCase();
}
