import { ChangeSet } from "@codemirror/state";
import { anchor_at, anchor_position, type MergeReport, type TextChange } from "crdt-wasm";
import { carryOver, difference } from "./held_changes.js";
import type { AnchoredSelection } from "./presence.js";

/** What a `SharedText` needs of a document; `Document` of crdt-wasm is one. */
export interface TextDocument {
  /** For anchors. */
  readonly handle: number;
  getText(): string;
  insert(position: number, text: string): TextChange;
  deleteRange(position: number, length: number): TextChange;
  mergeOperations(ops: string, frontier?: string | null): MergeReport;
}

/** Reports the changes that merges make; `NetworkSync` and `StoredDocument` of crdt-wasm implement it. */
export interface ChangeSource {
  on(event: "change", callback: (changes: TextChange[]) => void): unknown;
  off(event: "change", callback: (changes: TextChange[]) => void): void;
}

/** Something on the page that shows the text and lets people edit it. */
export interface TextView {
  /** The text changed, by these changes one after the other; not through this view. */
  receive(changes: readonly TextChange[]): void;
  /** What the view shows and the document are no longer the same: it has to show `SharedText.text`. */
  reset(): void;
  /** People may edit in the view, or may not; told after a change of `SharedText.readOnly`. */
  setReadOnly?(readOnly: boolean): void;
}

/**
 * One document, and everything on the page that shows it.
 *
 * Views hand in what was typed with `edit`; what was merged from others goes to every view. Edit the
 * text through this object, or call `refresh` after it.
 */
export class SharedText {
  readonly #document: TextDocument;
  readonly #views = new Set<TextView>();
  #source: ChangeSource | null = null;
  #readOnly = false;

  constructor(document: TextDocument) {
    this.#document = document;
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
   * told to show the document's text again.
   */
  edit(edits: readonly TextChange[], view: TextView | null = null): void {
    if (this.#readOnly) {
      view?.reset();
      return;
    }
    const done: TextChange[] = [];
    let exact = true;
    /** From the text as the view shows it to the document's, once they differ. */
    let drift: ChangeSet | null = null;
    try {
      for (const edit of edits) {
        let asked = [edit];
        if (drift !== null) {
          const typed = ChangeSet.of(changeSpec(edit), drift.length, "\n");
          ({ edits: asked, held: drift } = carryOver(typed, drift));
        }
        for (const one of asked) {
          const made = this.#replace(one);
          done.push(made);
          if (isSame(one, made)) continue;
          exact = false;
          const length = this.text.length - growth(made) + growth(one);
          const left: ChangeSet = difference(one, made, length);
          drift = drift?.compose(left) ?? left;
        }
      }
    } catch (error) {
      // The edits before this one stand; the view shows more than was done. What led here is a
      // mistake in the program, so it is reported as one, while the page goes on in good order.
      exact = false;
      reportError(error);
    }
    this.#tell(done, view);
    if (!exact) view?.reset();
  }

  /** Shows the document's text in every view, after it was edited past this object. */
  refresh(): void {
    for (const view of this.#views) view.reset();
  }

  /**
   * Merges what another replica gave out with `get_operations_json`, for a network layer of one's
   * own, and shows the result in every view.
   */
  merge(ops: string, frontier?: string | null): MergeReport {
    const report = this.#document.mergeOperations(ops, frontier);
    // A source tells of every merge into the document, this one too.
    if (this.#source === null) this.receive(report.changes);
    return report;
  }

  /**
   * The ends of a selection as anchors. What is inserted at its ends does not become part of it, and
   * a mere caret (where both are equal) stays before the character that it is before.
   */
  anchorSelection(anchor: number, head: number): AnchoredSelection {
    const at = (end: number, other: number) =>
      anchor_at(this.#document.handle, end, end > other ? "left" : "right");
    return { anchor: at(anchor, head), head: at(head, anchor) };
  }

  /**
   * Where an anchor is now; `null` for one in text that has not arrived here, or that is none, as
   * others may send anything.
   */
  positionOf(anchor: string): number | null {
    try {
      return anchor_position(this.#document.handle, anchor);
    } catch {
      return null;
    }
  }

  /** Shows changes that a merge made in the document. */
  receive(changes: readonly TextChange[]): void {
    this.#tell(changes, null);
  }

  /** Shows from now on what the source tells of, in place of any earlier one. */
  follow(source: ChangeSource | null): void {
    this.#source?.off("change", this.#received);
    this.#source = source;
    this.#source?.on("change", this.#received);
  }

  readonly #received = (changes: TextChange[]): void => {
    this.receive(changes);
  };

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
