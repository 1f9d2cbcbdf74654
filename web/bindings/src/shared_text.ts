import { ChangeSet } from "@codemirror/state";
import type { Document, Selection, TextChange, UndoStep } from "crdt-wasm";
import { endsInHalf, type HeldEdit, joined } from "./half_pair.js";
import { carryOver, difference } from "./held_changes.js";
import type { AnchoredSelection } from "./presence.js";
import { type EditContext, type UndoKind, type UndoManagerClass, UndoSteps } from "./undo_steps.js";

/** What a `SharedText` needs of a document; `Document` of each entry of crdt-wasm has it. */
export type TextDocument = Pick<
  Document,
  "anchorAt" | "deleteRange" | "getText" | "insert" | "length" | "on" | "positionOf" | "transact"
>;

/** Something on the page that shows the text and lets people edit it. */
export interface TextView {
  /** The text changed, by these changes one after the other; not through this view. */
  receive(changes: readonly TextChange[]): void;
  /** What the view shows and the document are no longer the same: it has to show `SharedText.text`. */
  reset(): void;
  /** Called after a change of `SharedText.readOnly`: people may edit in the view, or may not. */
  setReadOnly?(readOnly: boolean): void;
}

export interface SharedTextOptions {
  /**
   * The class `UndoManager` of the package that the document is from. Without it, nothing can be undone.
   */
  UndoManager?: UndoManagerClass;
}

/**
 * One document, and everything on the page that shows it.
 *
 * Views hand in what was typed with `edit`. Every other change of the document goes to all views: merges, undo,
 * and edits that a program makes.
 *
 * The steps of undo belong to the document: they are there as long as this object, whatever views come and go.
 */
export class SharedText {
  readonly #document: TextDocument;
  readonly #views = new Set<TextView>();
  readonly #stopListening: () => void;
  #undo: UndoSteps | null = null;
  #readOnly = false;
  /** Held for one task; the view shows it already. */
  #held: HeldEdit<TextView> | null = null;

  constructor(document: TextDocument, { UndoManager }: SharedTextOptions = {}) {
    this.#document = document;
    this.#stopListening = document.on("change", ({ changes, origin }) => {
      // `edit` reports these to the views.
      if (origin !== this) this.#changed(changes);
    });
    if (UndoManager !== undefined) this.enableUndo(UndoManager);
  }

  /** The whole text, as the document has it. */
  get text(): string {
    return this.#document.getText();
  }

  /**
   * Whether people may not edit here: nothing that a view hands in is made, and views that can do so
   * are read-only. Set it from `status.readOnly` of a `NetworkSync`; `CollabEditor` does that by itself.
   */
  get readOnly(): boolean {
    return this.#readOnly;
  }

  set readOnly(readOnly: boolean) {
    if (readOnly === this.#readOnly) return;
    this.#readOnly = readOnly;
    for (const view of this.#views) view.setReadOnly?.(readOnly);
  }

  /** Whether this text has steps of undo: whether it was made with an `UndoManager`. */
  get hasUndo(): boolean {
    return this.#undo !== null;
  }

  /** Has edits be undone from now on, if that is not so already. Views that were bound before have no keys for it. */
  enableUndo(UndoManager: UndoManagerClass): void {
    this.#undo ??= new UndoSteps(
      (options) => new UndoManager(this.#document as never, options),
      this,
    );
  }

  /** Whether there are edits to undo; others may have undone them already. */
  get canUndo(): boolean {
    return !this.#readOnly && this.#undo?.canUndo === true;
  }

  /** Whether there are undone edits to redo. */
  get canRedo(): boolean {
    return !this.#readOnly && this.#undo?.canRedo === true;
  }

  /** Adds a view, which has to show `text` now; returns what takes it away again. */
  addView(view: TextView): () => void {
    this.#views.add(view);
    return () => {
      this.#views.delete(view);
    };
  }

  /**
   * Makes edits that `view` shows already, one after the other, and tells the other views.
   *
   * Where the document could not do just that (it takes no half of a surrogate pair), the view is
   * told to show the document's text again. The first half of a pair waits for the other one until the end of
   * the task.
   */
  edit(edits: readonly TextChange[], view: TextView | null = null, context: EditContext = {}): void {
    if (this.#readOnly) {
      view?.reset();
      return;
    }
    const held = this.#held;
    if (held !== null && view !== null && held.view === view) {
      this.#held = null;
      this.#edit(joined(changeSet([held.edit, ...edits], this.#document.length)), view, held.context);
      return;
    }
    if (held !== null && view !== null) {
      this.#editBefore(held, edits, view, context);
      return;
    }
    this.#release();
    if (view !== null && endsInHalf(edits)) {
      this.#held = { view, edit: edits[0], context };
      setTimeout(() => this.#release());
      return;
    }
    this.#edit(edits, view, context);
  }

  /**
   * Makes edits of a view while an edit of another one is held. The view may be at work on its own change, and
   * cannot hear of the held one before that is over.
   */
  #editBefore(
    held: HeldEdit<TextView>,
    edits: readonly TextChange[],
    view: TextView,
    context: EditContext,
  ): void {
    const before = this.#document.length;
    this.#held = null;
    held.view?.reset();
    const done = this.#edit(edits, view, context);
    const [first, others] = [changeSet([held.edit], before), changeSet(done, before)];
    const [edit] = carryOver(first, others).edits;
    if (edit === undefined) return;
    this.#held = { view: null, edit, context: held.context };
    queueMicrotask(() => this.#release());
  }

  /** Returns what was done. */
  #edit(
    edits: readonly TextChange[],
    view: TextView | null,
    context: EditContext,
  ): readonly TextChange[] {
    const done: TextChange[] = [];
    let exact = true;
    try {
      this.#undo?.before(view === null ? { joins: "never", ...context } : context);
      this.#document.transact(() => {
        exact = this.#make(edits, done);
      }, this);
    } catch (error) {
      // The edits before this one stand; the view shows more than was done. What led here is a
      // mistake in the program, so it is reported as one, while the page goes on in good order.
      exact = false;
      reportError(error);
    }
    this.#tell(done, view);
    if (!exact) view?.reset();
    return done;
  }

  /**
   * Undoes the last step that was edited here and still has an effect, and shows that in every view. Returns
   * what became of the text and where the selection was before the step; `null` if there is none.
   * `selection` is where the selection is now, in positions of the document.
   */
  undo(selection: Selection | null = null): UndoStep | null {
    return this.#step("undo", selection);
  }

  /** Redoes the step that was undone last; see `undo`. */
  redo(selection: Selection | null = null): UndoStep | null {
    return this.#step("redo", selection);
  }

  /** Calls `listener` whenever there may be something else to undo or redo; returns what ends that. */
  onUndoChange(listener: () => void): () => void {
    return this.#undo?.onChange(listener) ?? (() => {});
  }

  /**
   * The ends of a selection as anchors. What is inserted at its ends does not become part of it, and
   * a mere caret (where both are equal) stays before the character that it is before.
   */
  anchorSelection(anchor: number, head: number): AnchoredSelection {
    // A view that shows half a pair is ahead of the document.
    const at = (end: number, other: number) => {
      const position = Math.min(end, this.#document.length);
      return JSON.stringify(this.#document.anchorAt(position, end > other ? "left" : "right"));
    };
    return { anchor: at(anchor, head), head: at(head, anchor) };
  }

  /**
   * Where an anchor is now; `null` for one in text that has not arrived here, or that is none, as
   * others may send anything.
   */
  positionOf(anchor: string): number | null {
    try {
      return this.#document.positionOf(anchor);
    } catch {
      return null;
    }
  }

  /** Forgets the steps of undo, and shows nothing any more. The document stays the caller's. */
  destroy(): void {
    this.#held = null;
    this.#stopListening();
    this.#undo?.destroy();
  }

  #step(kind: UndoKind, selection: Selection | null): UndoStep | null {
    if (this.#readOnly) return null;
    this.#release();
    return this.#undo?.step(kind, selection) ?? null;
  }

  /** Makes the edit that is held: its other half did not come. */
  #release(): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.#edit([held.edit], held.view, held.context);
  }

  /** The document was changed, but not by a view. */
  #changed(changes: readonly TextChange[]): void {
    const held = this.#held;
    this.#held = null;
    if (held === null) {
      this.#tell(changes, null);
      return;
    }
    // The view shows all of it anew, as what is held did not wait for its other half.
    held.view?.reset();
    this.#tell(changes, held.view);
    const before = changes.reduce((length, change) => length - growth(change), this.#document.length);
    const [first, others] = [changeSet([held.edit], before), changeSet(changes, before)];
    this.#edit(carryOver(first, others).edits, held.view, held.context);
  }

  /** Makes the edits, and adds what was done to `done`. Returns whether that is what was asked for. */
  #make(edits: readonly TextChange[], done: TextChange[]): boolean {
    let exact = true;
    /** From the text as the view shows it to the document's, once they differ. */
    let drift: ChangeSet | null = null;
    for (const edit of edits) {
      let asked = [edit];
      if (drift !== null) {
        const typed = changeSet([edit], drift.length);
        ({ edits: asked, held: drift } = carryOver(typed, drift));
      }
      for (const one of asked) {
        const made = this.#replace(one);
        done.push(made);
        if (isSame(one, made)) continue;
        exact = false;
        const length = this.#document.length - growth(made) + growth(one);
        const left: ChangeSet = difference(one, made, length);
        drift = drift?.compose(left) ?? left;
      }
    }
    return exact;
  }

  #tell(changes: readonly TextChange[], origin: TextView | null): void {
    if (changes.length === 0) return;
    for (const view of this.#views) {
      if (view === origin) continue;
      try {
        view.receive(changes);
      } catch (error) {
        // One view that is out of step must not keep the others from hearing.
        reportError(error);
        view.reset();
      }
    }
  }

  #replace({ position, deleted, inserted }: TextChange): TextChange {
    const gone = deleted > 0 ? this.#document.deleteRange(position, deleted) : null;
    // Widened to whole characters, a deletion may start earlier than was asked.
    const at = gone?.position ?? position;
    const come = inserted === "" ? null : this.#document.insert(at, inserted);
    return {
      position: come?.position ?? at,
      deleted: gone?.deleted ?? 0,
      inserted: come?.inserted ?? "",
    };
  }
}

/** Changes made one after the other, as one change of a text of this length. */
function changeSet(changes: readonly TextChange[], length: number): ChangeSet {
  return changes.reduce(
    (all, change) => all.compose(ChangeSet.of(changeSpec(change), all.newLength, "\n")),
    ChangeSet.empty(length),
  );
}

function changeSpec({ position, deleted, inserted }: TextChange) {
  return { from: position, to: position + deleted, insert: inserted };
}

function isSame(one: TextChange, other: TextChange): boolean {
  return (
    one.position === other.position &&
    one.deleted === other.deleted &&
    one.inserted === other.inserted
  );
}

/** How much longer a change makes the text. */
function growth({ deleted, inserted }: TextChange): number {
  return inserted.length - deleted;
}
