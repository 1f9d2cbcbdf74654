import { ChangeSet } from "@codemirror/state";
import type { TextChange } from "crdt-wasm";

/**
 * Carries what a user typed in a view over changes of the document that the view does not show yet.
 *
 * `typed` and `held` are changes of the text that the view showed before. Returns the typed edits as edits of
 * the document, one after the other, and what the view has still to show. Where both insert at one place, what
 * was typed comes first, so that it stays together with what was typed before it.
 */
export function carryOver(
  typed: ChangeSet,
  held: ChangeSet,
): { edits: TextChange[]; held: ChangeSet } {
  const edits: TextChange[] = [];
  typed.map(held, true).iterChanges((fromA, toA, fromB, _toB, inserted) => {
    edits.push({
      position: fromB,
      deleted: toA - fromA,
      inserted: inserted.sliceString(0, inserted.length, "\n"),
    });
  }, true);
  return { edits, held: held.map(typed) };
}

/**
 * What an edit that the document made otherwise than it was asked for leaves to show: the document widens what
 * would cut a surrogate pair in two.
 *
 * The changes lead from the text after the edit as asked, of this length, to the text after the edit as made.
 */
export function difference(asked: TextChange, made: TextChange, length: number): ChangeSet {
  const start = asked.position;
  const end = start + asked.inserted.length;
  const before = start - made.position;
  if (made.deleted === 0 && before > 0) {
    const moved = { from: made.position, insert: made.inserted };
    return ChangeSet.of([moved, { from: start, to: end }], length, "\n");
  }
  const after = made.deleted - asked.deleted - before;
  const widened = { from: start - before, to: end + after, insert: made.inserted };
  return ChangeSet.of(widened, length, "\n");
}
