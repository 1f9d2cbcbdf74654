/** Where a selection starts and where the caret is, in UTF-16 code units. */
export interface Selection {
  anchor: number;
  head: number;
}

export interface UndoManagerOptions {
  /** Edits within this many milliseconds of each other form one step; 500 by default. */
  captureTimeout?: number;
  /**
   * The origins of the edits that can be undone, `null` for those without one. By default, all local
   * edits except the steps of other managers. Edits of other replicas are never undone.
   */
  trackedOrigins?: Iterable<unknown>;
  /**
   * Returns the selection, or `null`. Called before each step changes the document, so that `undo` can restore
   * the selection. An editor that applies an edit to its view first has to remember the selection before it.
   */
  getSelection?: () => Selection | null;
}

/** An undone or redone step. */
export interface UndoStep {
  /** The changes of the text. */
  changes: TextChange[];
  /**
   * The new selection: for `undo`, the selection before the step, or the changed text if that is unknown.
   * `null` if the step has no visible effect.
   */
  selection: Selection | null;
}

/** The events of an `UndoManager`, by name, with what listeners get. */
export interface UndoManagerEvents {
  /** `canUndo` or `canRedo` may have changed. */
  change: { canUndo: boolean; canRedo: boolean };
  /** A step was undone. */
  undo: UndoStep;
  /** A step was redone. */
  redo: UndoStep;
}

/**
 * Undoes and redoes future local edits of a document, and never edits of others. An undo is an ordinary edit
 * whose `origin` is the manager.
 *
 * ```js
 * let before = { anchor: 0, head: 0 };
 * area.onbeforeinput = () => (before = { anchor: area.selectionStart, head: area.selectionEnd });
 * const undo = new UndoManager(doc, { getSelection: () => before });
 * doc.insert(0, "oops");
 * const step = undo.undo();
 * if (step?.selection) area.setSelectionRange(step.selection.anchor, step.selection.head);
 * ```
 */
export class UndoManager {
  /**
   * Records the steps of a document from now on.
   *
   * ```js
   * const undo = new UndoManager(doc, { trackedOrigins: ["editor"] });
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`
   */
  constructor(document: Document, options?: UndoManagerOptions);
  /**
   * Whether there are edits to undo. Others may have undone them already.
   *
   * ```js
   * button.disabled = !undo.canUndo;
   * ```
   */
  readonly canUndo: boolean;
  /**
   * Whether there are undone edits to redo.
   *
   * ```js
   * button.disabled = !undo.canRedo;
   * ```
   */
  readonly canRedo: boolean;
  /**
   * Undoes the last step that still has an effect, and returns the changes of the text; `null` if there is no such step.
   *
   * ```js
   * const step = undo.undo();
   * if (step?.selection) select(step.selection);
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `destroyed`, `document_busy` in a transaction, `corrupt_history`
   */
  undo(): UndoStep | null;
  /**
   * Redoes the last undone step, see `undo`.
   *
   * ```js
   * undo.redo();
   * ```
   */
  redo(): UndoStep | null;
  /**
   * Starts a new step with the next edit.
   *
   * ```js
   * undo.stopCapturing();
   * doc.insert(0, "a step of its own");
   * ```
   */
  stopCapturing(): void;
  /**
   * Adds a listener, and returns a function that removes it.
   *
   * ```js
   * undo.on("change", ({ canUndo, canRedo }) => updateButtons(canUndo, canRedo));
   * ```
   */
  on<K extends keyof UndoManagerEvents>(event: K, listener: (payload: UndoManagerEvents[K]) => void): () => void;
  /**
   * Removes a listener.
   *
   * ```js
   * undo.off("change", update);
   * ```
   */
  off<K extends keyof UndoManagerEvents>(event: K, listener: (payload: UndoManagerEvents[K]) => void): void;
  /**
   * Forgets all steps, and stops listening to the document. A second call does nothing.
   *
   * ```js
   * undo.destroy();
   * ```
   */
  destroy(): void;
  [Symbol.dispose](): void;
}
