import type { ChangeSet } from "@codemirror/state";
import type { TextChange } from "crdt-wasm";
import type { EditContext } from "./undo_steps.js";

/**
 * An edit that ends with the first half of a surrogate pair, held until the other half comes.
 *
 * Firefox reports a character outside the Basic Multilingual Plane that comes as one key event as two events
 * `input`, a half each; a document takes no halves.
 */
export interface HeldEdit<View> {
  /** The view that shows it; `null` once none does. */
  readonly view: View | null;
  readonly edit: TextChange;
  readonly context: EditContext;
}

/** Whether these edits are to be held: one that ends with the first half of a pair. */
export function endsInHalf(edits: readonly TextChange[]): edits is [TextChange] {
  const [edit, ...others] = edits;
  if (edit === undefined || others.length > 0) return false;
  return (edit.inserted.charCodeAt(edit.inserted.length - 1) & 0xfc00) === 0xd800;
}

/** Changes as edits that can be made one after the other. */
export function joined(changes: ChangeSet): TextChange[] {
  const edits: TextChange[] = [];
  changes.iterChanges((fromA, toA, fromB, _toB, inserted) => {
    const text = inserted.sliceString(0, inserted.length, "\n");
    edits.push({ position: fromB, deleted: toA - fromA, inserted: text });
  });
  return edits;
}
