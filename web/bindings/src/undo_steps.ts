import type { Selection, UndoManagerOptions, UndoStep } from "crdt-wasm";

/** What is used of the class `UndoManager` of crdt-wasm; each entry of the package has such a class. */
export interface UndoManagerClass {
  // Each class takes the documents of its own entry.
  new (document: never, options?: UndoManagerOptions): UndoManagerLike;
}

interface UndoManagerLike {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  undo(): UndoStep | null;
  redo(): UndoStep | null;
  stopCapturing(): void;
  on(event: "change", listener: () => void): () => void;
  destroy(): void;
}

export type UndoKind = "undo" | "redo";

/** What a menu of the browser asks for with an event `beforeinput`; `null` for all other input. */
export function undoKindOf({ inputType }: InputEvent): UndoKind | null {
  if (inputType === "historyUndo") return "undo";
  return inputType === "historyRedo" ? "redo" : null;
}

/** How an edit came about. It decides which step of undo the edit belongs to. */
export interface EditContext {
  /** The selection before the edit, in positions of the document. */
  selection?: Selection | null;
  /**
   * Whether the edit joins the step before it: `soon` if that one was edited within the last half second.
   * The default is `soon` for an edit of a view, and `never` for one without a view.
   */
  joins?: "always" | "soon" | "never";
}

/** Edits that follow each other within this time are one step. */
const SOON_MS = 500;

/** The steps that can be undone and redone in a document. */
export class UndoSteps {
  readonly #manager: UndoManagerLike;
  #selection: Selection | null = null;
  #editedAt = -Infinity;

  /** Steps of the edits whose transactions have this origin. */
  constructor(create: (options: UndoManagerOptions) => UndoManagerLike, origin: unknown) {
    this.#manager = create({
      // This class decides where a step ends.
      captureTimeout: Infinity,
      trackedOrigins: [origin],
      getSelection: () => this.#selection,
    });
  }

  get canUndo(): boolean {
    return this.#manager.canUndo;
  }

  get canRedo(): boolean {
    return this.#manager.canRedo;
  }

  /** Is to be called before an edit is made. */
  before({ selection = null, joins = "soon" }: EditContext): void {
    const now = Date.now();
    const isLate = now - this.#editedAt >= SOON_MS;
    if (joins === "never" || (joins === "soon" && isLate)) this.#manager.stopCapturing();
    this.#editedAt = now;
    this.#selection = selection;
  }

  /** Undoes or redoes a step; `selection` is where the selection is now. */
  step(kind: UndoKind, selection: Selection | null): UndoStep | null {
    this.#selection = selection;
    this.#editedAt = -Infinity;
    return this.#manager[kind]();
  }

  /** Calls `listener` whenever there may be something else to undo or redo; returns what ends that. */
  onChange(listener: () => void): () => void {
    return this.#manager.on("change", listener);
  }

  destroy(): void {
    this.#manager.destroy();
  }
}
