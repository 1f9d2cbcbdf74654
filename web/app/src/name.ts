// People's names, and the ids under which the network knows them.

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
  return tidy.trim() || "Guest";
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

/**
 * A colour for whoever has this id, the same on every page. All are as bright as each other, and
 * white can be read on them.
 */
export function colorOf(agentId: string): string {
  let hash = 0;
  for (const character of agentId) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return `oklch(0.55 0.17 ${(hash * 137) % 360})`;
}

/** The first letter, for a badge. */
export function initialOf(name: string): string {
  const [first = "?"] = new Intl.Segmenter().segment(name);
  return typeof first === "string" ? first : first.segment.toLocaleUpperCase();
}
