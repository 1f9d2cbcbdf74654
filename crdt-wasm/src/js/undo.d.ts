/** Where a selection starts and where the caret is, in UTF-16 code units. */
export interface Selection {
  anchor: number;
  head: number;
}

export interface UndoManagerOptions {
  /** Edits that follow each other within so many milliseconds are one step; 500 by default. */
  captureTimeout?: number;
  /**
   * The origins of the edits that can be undone, `null` for those without one. By default these are all
   * edits made here, except the steps of other managers. What others did is never undone.
   */
  trackedOrigins?: Iterable<unknown>;
  /**
   * Where the selection is, or `null`: asked before each step is made in the document, for `undo` to say
   * where it was. An editor that shows an edit before it makes it here has to remember where it was before.
   */
  getSelection?: () => Selection | null;
}

/** A step that was taken back. */
export interface UndoStep {
  /** What became of the text. */
  changes: TextChange[];
  /**
   * What to select now: for `undo`, what was selected before the step; where that is unknown, the text
   * that changed. `null` if nothing is to be seen of it.
   */
  selection: Selection | null;
}

/** The events of an `UndoManager`, by name, with what listeners get. */
export interface UndoManagerEvents {
  /** There may be something else to undo or redo. */
  change: { canUndo: boolean; canRedo: boolean };
  /** A step was undone. */
  undo: UndoStep;
  /** A step was redone. */
  redo: UndoStep;
}

/**
 * Undoes and redoes the edits that are made to a document here, from now on, and leaves alone what others
 * do. An undo is an edit like any other: its `origin` is the manager.
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
   * Keeps the steps of a document from now on.
   *
   * ```js
   * const undo = new UndoManager(doc, { trackedOrigins: ["editor"] });
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`
   */
  constructor(document: Document, options?: UndoManagerOptions);
  /**
   * Whether there are edits to undo; they may turn out to be undone by others.
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
   * Undoes the last step that still has an effect, and says what became of the text; `null` if there is none.
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
   * Redoes the step that was undone last, see `undo`.
   *
   * ```js
   * undo.redo();
   * ```
   */
  redo(): UndoStep | null;
  /**
   * Has the next edit begin a step of its own.
   *
   * ```js
   * undo.stopCapturing();
   * doc.insert(0, "a step of its own");
   * ```
   */
  stopCapturing(): void;
  /**
   * Adds a listener, and returns what takes it away again.
   *
   * ```js
   * undo.on("change", ({ canUndo, canRedo }) => updateButtons(canUndo, canRedo));
   * ```
   */
  on<K extends keyof UndoManagerEvents>(event: K, listener: (payload: UndoManagerEvents[K]) => void): () => void;
  /**
   * Takes a listener away.
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
