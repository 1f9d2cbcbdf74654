import {
  Annotation,
  type ChangeDesc,
  ChangeSet,
  EditorState,
  type Extension,
  StateEffect,
  StateField,
  Transaction,
} from "@codemirror/state";
import { EditorView, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import type { TextChange } from "crdt-wasm";
import { carryOver } from "./held_changes.js";
import { replacementBetween } from "./replacement.js";
import type { SharedText, TextView } from "./shared_text.js";

/** On every transaction that shows what came from the document rather than from the user. */
export const fromDocument = Annotation.define<boolean>();

/** People may edit in the editor, or may not. */
const setReadOnly = StateEffect.define<boolean>();

const readOnly = StateField.define<boolean>({
  create: () => false,
  update: (before, { effects }) =>
    effects.reduce((now, effect) => (effect.is(setReadOnly) ? effect.value : now), before),
  provide: (field) => EditorState.readOnly.from(field),
});

/**
 * A CodeMirror extension that keeps the editor and a shared text equal.
 *
 * What the user changes becomes the same insertions and deletions in the document. What others
 * change becomes transactions that leave the selection with the text it was in, and that undo
 * leaves alone. Start the state with `doc: shared.text`; any other text gives way to it.
 *
 * The line separator of the state is set to `\n`, since positions on both sides have to count the
 * same: a `\r` that someone else's program put into the text is a character like any other. Pasted
 * and dropped text gets `\n`. While `shared.readOnly` is set, the editor is read-only.
 *
 * While an input method composes, what others change waits, as it would break the composition off. It is shown
 * once the composition ends. A composition without input for five seconds is ended for that.
 */
export function collaboration(shared: SharedText): Extension {
  return [
    EditorState.lineSeparator.of("\n"),
    readOnly.init(() => shared.readOnly),
    EditorView.clipboardInputFilter.of((text) => text.replace(/\r\n?/g, "\n")),
    ViewPlugin.define((view) => new EditorBinding(view, shared)),
  ];
}

const bindings = new WeakMap<EditorView, EditorBinding>();

/** What others changed and the editor does not show yet; `null` where it shows all. */
export function heldChanges(view: EditorView): ChangeDesc | null {
  return bindings.get(view)?.held ?? null;
}

/** How often the end of a composition is looked for; not every kind of input tells of it. */
const CHECK_EVERY_MS = 50;
/** A composition without input for so long is ended. On phones one lasts until the next space. */
const IDLE_MS = 5000;
/** For so long changes are held back at most, before the composition is ended. */
const HELD_MS = 20_000;

class EditorBinding implements TextView {
  readonly #view: EditorView;
  readonly #shared: SharedText;
  readonly #leave: () => void;
  #attached = true;
  #resetPlanned = false;
  /** From the editor's text to the document's, while a composition goes on. */
  #held: ChangeSet | null = null;
  #heldSince = 0;
  #lastInput = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(view: EditorView, shared: SharedText) {
    this.#view = view;
    this.#shared = shared;
    this.#leave = shared.addView(this);
    bindings.set(view, this);
    if (view.state.doc.toString() !== shared.text) this.reset();
  }

  update(update: ViewUpdate): void {
    // Each transaction by itself: one update may hold the user's and others'.
    for (const transaction of update.transactions) {
      if (!transaction.docChanged || transaction.annotation(fromDocument)) continue;
      this.#lastInput = Date.now();
      this.#shared.edit(this.#carried(editsOf(transaction), transaction.startState.doc.length), this);
    }
  }

  get held(): ChangeDesc | null {
    return this.#held;
  }

  receive(changes: readonly TextChange[]): void {
    // The reset that is on its way shows these too.
    if (this.#resetPlanned) return;
    this.#take(changeSet(changes, this.#held?.newLength ?? this.#view.state.doc.length));
  }

  /** Editors cannot be changed while they are at work on a change, so this happens right after. */
  reset(): void {
    if (this.#resetPlanned) return;
    this.#resetPlanned = true;
    queueMicrotask(() => {
      this.#resetPlanned = false;
      if (!this.#attached) return;
      try {
        this.#showDocument();
      } catch (error) {
        // The document is gone; the editor keeps what it shows.
        reportError(error);
      }
    });
  }

  setReadOnly(on: boolean): void {
    this.#view.dispatch({ effects: setReadOnly.of(on) });
  }

  destroy(): void {
    this.#attached = false;
    clearTimeout(this.#timer);
    this.#leave();
  }

  #showDocument(): void {
    const { doc } = this.#view.state;
    const change = replacementBetween(doc.toString(), this.#shared.text);
    this.#held = null;
    if (change !== null) this.#take(changeSet([change], doc.length));
  }

  /** The user's edits, as edits of the document. */
  #carried(edits: TextChange[], length: number): TextChange[] {
    if (this.#held === null) return edits;
    const carried = carryOver(changeSet(edits, length), this.#held);
    this.#held = carried.held;
    return carried.edits;
  }

  /** Shows changes of the document, now or after the composition. */
  #take(changes: ChangeSet): void {
    if (this.#held !== null) {
      this.#held = this.#held.compose(changes);
    } else if (this.#view.composing) {
      this.#held = changes;
      this.#heldSince = Date.now();
      this.#checkLater("composing");
    } else {
      this.#show(changes);
    }
  }

  /** Shows what is held once the composition is over; `before` is what the last check found. */
  #checkLater(before: "composing" | "over" | "ended"): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const now = Date.now();
      const isLate = now - this.#lastInput > IDLE_MS || now - this.#heldSince > HELD_MS;
      if (before === "ended" || (before === "over" && !this.#view.composing)) {
        this.#release();
      } else if (!this.#view.composing) {
        // The editor reads what a composition left a moment after its end.
        this.#checkLater("over");
      } else if (isLate) {
        this.#endComposition();
        this.#checkLater("ended");
      } else {
        this.#checkLater("composing");
      }
    }, CHECK_EVERY_MS);
  }

  #release(): void {
    const changes = this.#held;
    this.#held = null;
    if (this.#attached && changes !== null) this.#show(changes);
  }

  /** Has the input method put down what it composes. */
  #endComposition(): void {
    this.#view.contentDOM.blur();
    this.#view.focus();
  }

  #show(changes: ChangeSet): void {
    this.#view.dispatch({
      changes,
      annotations: [
        fromDocument.of(true),
        Transaction.remote.of(true),
        Transaction.addToHistory.of(false),
      ],
      // No filter may hold back what is in the document already.
      filter: false,
    });
  }
}

/** A transaction's changes as edits to be made one after the other. */
function editsOf(transaction: Transaction): TextChange[] {
  const edits: TextChange[] = [];
  transaction.changes.iterChanges((fromA, toA, fromB, _toB, inserted) => {
    // From the start of the text to its end: where a change starts in the new text is where it
    // starts when those before it are made and those after it are not.
    const before = transaction.startState.doc.sliceString(fromA, toA, "\n");
    const edit = replacementBetween(before, inserted.sliceString(0, inserted.length, "\n"), fromB);
    if (edit !== null) edits.push(edit);
  }, true);
  return edits;
}

/** Changes made one after the other, as one change of a text of this length. */
function changeSet(changes: readonly TextChange[], length: number): ChangeSet {
  const backwards = changes.every((change, index) => {
    const earlier = changes[index - 1];
    return earlier === undefined || change.position + change.deleted <= earlier.position;
  });
  if (backwards) {
    // Then none moves another, and in the order of the text one pass is enough for all.
    return ChangeSet.of(changes.map(changeSpec).reverse(), length, "\n");
  }
  return changes.reduce(
    (all, change) => all.compose(ChangeSet.of(changeSpec(change), all.newLength, "\n")),
    ChangeSet.empty(length),
  );
}

function changeSpec({ position, deleted, inserted }: TextChange) {
  return { from: position, to: position + deleted, insert: inserted };
}
