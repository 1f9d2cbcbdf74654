// The text as editors show it that know one line ending alone.

import { ChangeSet } from "@codemirror/state";
import type { TextChange } from "crdt-wasm";

/** Text areas and Monaco show every line ending as `\n`. */
export function shownForm(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

/** Where in the text the position of its shown form is. */
export function documentPosition(text: string, shown: number): number {
  let position = shown;
  // Every \r\n that ends at or before the position counts one more.
  for (let at = text.indexOf("\r\n"); at !== -1 && at < position; at = text.indexOf("\r\n", at + 2)) {
    position += 1;
  }
  return position;
}

/** Where in the shown form a position of the text is; after a `\r\n` where it is inside one. */
export function shownPosition(text: string, position: number): number {
  return shownForm(text.slice(0, position)).length;
}

/** A change of the shown form, as the change of the text that comes to show so. */
export function inDocument(text: string, { position, deleted, inserted }: TextChange): TextChange {
  const from = documentPosition(text, position);
  const to = documentPosition(text, position + deleted);
  // A \r that comes to stand before a \n would make one line ending with it, and two are shown.
  if (text[from - 1] === "\r" && (inserted + text.slice(to, to + 1)).startsWith("\n")) {
    return { position: from - 1, deleted: to - from + 1, inserted: `\n${inserted}` };
  }
  return { position: from, deleted: to - from, inserted };
}

/** Changes made one after the other, as one change of a text of this length. */
export function sequence(changes: readonly TextChange[], length: number): ChangeSet {
  return changes.reduce((all, { position, deleted, inserted }) => {
    const change = { from: position, to: position + deleted, insert: inserted };
    return all.compose(ChangeSet.of(change, all.newLength, "\n"));
  }, ChangeSet.empty(length));
}
