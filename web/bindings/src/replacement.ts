import type { TextChange } from "crdt-wasm";

/** Whether a cut before this index would go through a surrogate pair. */
function splitsPair(text: string, index: number): boolean {
  return isHigh(text.charCodeAt(index - 1)) && isLow(text.charCodeAt(index));
}

function isHigh(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800;
}

function isLow(unit: number): boolean {
  return (unit & 0xfc00) === 0xdc00;
}

/**
 * The smallest single replacement that makes `before` into `after`, with positions counted from
 * `offset`; `null` where they are equal.
 *
 * What is the same at both ends stays out of it, so that what others write there at the same time
 * survives. It never starts or ends inside a surrogate pair of either text.
 *
 * Where several replacements would do (one more `a` among many), the one that ends at or after
 * `caret` in `after` is taken, since that is where someone typed.
 */
export function replacementBetween(
  before: string,
  after: string,
  offset = 0,
  caret = after.length,
): TextChange | null {
  if (before === after) return null;
  const shorter = Math.min(before.length, after.length);

  // What follows the caret was not typed now, so it is compared first, and as far as it goes.
  let suffix = commonSuffix(before, after, Math.min(shorter, Math.max(0, after.length - caret)));
  let prefix = commonPrefix(before, after, shorter - suffix);
  if (splitsPair(before, prefix) || splitsPair(after, prefix)) prefix -= 1;
  suffix = commonSuffix(before, after, shorter - prefix);
  if (
    splitsPair(before, before.length - suffix) ||
    splitsPair(after, after.length - suffix)
  ) {
    suffix -= 1;
  }
  return {
    position: offset + prefix,
    deleted: before.length - prefix - suffix,
    inserted: after.slice(prefix, after.length - suffix),
  };
}

function commonPrefix(a: string, b: string, limit: number): number {
  let length = 0;
  while (length < limit && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length;
}

function commonSuffix(a: string, b: string, limit: number): number {
  let length = 0;
  while (
    length < limit &&
    a.charCodeAt(a.length - 1 - length) === b.charCodeAt(b.length - 1 - length)
  ) {
    length += 1;
  }
  return length;
}

/** The text after the changes, applied one after the other. */
export function applyChanges(text: string, changes: readonly TextChange[]): string {
  return changes.reduce(
    (now, { position, deleted, inserted }) =>
      now.slice(0, position) + inserted + now.slice(position + deleted),
    text,
  );
}
