import { isolateHistory } from "@codemirror/commands";
import {
  Annotation,
  type ChangeDesc,
  ChangeSet,
  EditorState,
  type Extension,
  Prec,
  StateEffect,
  StateField,
  Transaction,
} from "@codemirror/state";
import { type Command, EditorView, keymap, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import type { Selection, TextChange } from "crdt-wasm";
import { AfterChange } from "./after_change.js";
import { endComposition } from "./composition.js";
import { carryOver } from "./held_changes.js";
import { lineEnds } from "./line_ends.js";
import { replacementBetween } from "./replacement.js";
import type { SharedText, TextView } from "./shared_text.js";
import { type EditContext, type UndoKind, undoKindOf } from "./undo_steps.js";

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

/** Keeps the editor and the shared text equal, without carets: see `collaboration`. */
export function synchronized(shared: SharedText): Extension {
  return [
    lineEnds,
    readOnly.init(() => shared.readOnly),
    ViewPlugin.define((view) => new EditorBinding(view, shared)),
    shared.hasUndo ? Prec.high([keymap.of(undoKeymap), undoEvents]) : [],
  ];
}

/** Undoes the last step that was edited here, in an editor with `collaboration`. */
export const undo: Command = (view) => bindings.get(view)?.step("undo") ?? false;

/** Redoes the step that was undone last. */
export const redo: Command = (view) => bindings.get(view)?.step("redo") ?? false;

const undoKeymap = [
  { key: "Mod-z", run: undo, shift: redo, preventDefault: true },
  { key: "Ctrl-y", mac: "Cmd-y", run: redo, preventDefault: true },
];

/** What the browser's own menus ask for. */
const undoEvents = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const kind = undoKindOf(event);
    if (kind === null) return false;
    event.preventDefault();
    bindings.get(view)?.step(kind);
    return true;
  },
});

/** What may continue the step before, as `history()` of CodeMirror has it. */
const CONTINUES = /^(input\.type|delete)($|\.)/;

const bindings = new WeakMap<EditorView, EditorBinding>();

/** What others changed and the editor does not show yet; `null` where it shows all. */
export function heldChanges(view: EditorView): ChangeDesc | null {
  return bindings.get(view)?.held ?? null;
}

/** How often the end of a composition is looked for; not every kind of input reports it. */
const CHECK_EVERY_MS = 50;
/** A composition without input for so long is ended. On phones one lasts until the next space. */
const IDLE_MS = 5000;
/** For so long changes are held back at most, before the composition is ended. */
const HELD_MS = 20_000;

class EditorBinding implements TextView {
  readonly #view: EditorView;
  readonly #shared: SharedText;
  readonly #leave: () => void;
  readonly #reset = new AfterChange(() => this.#showDocument());
  #attached = true;
  /** From the editor's text to the document's, while a composition goes on. */
  #held: ChangeSet | null = null;
  #heldSince = 0;
  #lastInput = 0;
  /** The next edit begins a step of undo, as the selection was moved, or the last edit said so. */
  #beginsStep = false;
  /** What the user edited last, in the editor's text. */
  #edited = { from: 0, to: 0 };
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
      if (transaction.annotation(fromDocument)) {
        this.#edited = mappedRange(this.#edited, transaction.changes);
        continue;
      }
      if (!transaction.docChanged) {
        this.#beginsStep ||= !transaction.newSelection.eq(transaction.startState.selection);
        continue;
      }
      this.#lastInput = Date.now();
      const context = this.#contextOf(transaction);
      const edits = this.#carried(editsOf(transaction), transaction.startState.doc.length);
      this.#shared.edit(edits, this, context);
    }
  }

  /** Undoes or redoes a step, and selects what was selected before it. Returns whether there was one. */
  step(kind: UndoKind): boolean {
    const step = this.#shared[kind](this.#selectionIn(this.#view.state));
    if (step === null) return false;
    const { selection } = step;
    // While a composition goes on, the editor does not show the step yet.
    if (selection === null || this.#held !== null || this.#reset.isPlanned) return true;
    this.#view.dispatch({ selection, scrollIntoView: true, annotations: fromDocument.of(true) });
    return true;
  }

  get held(): ChangeDesc | null {
    return this.#held;
  }

  receive(changes: readonly TextChange[]): void {
    // The reset that is on its way shows these too.
    if (this.#reset.isPlanned) return;
    this.#take(changeSet(changes, this.#held?.newLength ?? this.#view.state.doc.length));
  }

  /** Editors cannot be changed while they are at work on a change, so this happens right after. */
  reset(): void {
    this.#reset.plan();
  }

  setReadOnly(on: boolean): void {
    this.#view.dispatch({ effects: setReadOnly.of(on) });
  }

  destroy(): void {
    this.#attached = false;
    this.#reset.end();
    clearTimeout(this.#timer);
    this.#leave();
  }

  #showDocument(): void {
    const { doc } = this.#view.state;
    const change = replacementBetween(doc.toString(), this.#shared.text);
    this.#held = null;
    if (change !== null) this.#take(changeSet([change], doc.length));
  }

  /** The selection of a state that the editor had last, in positions of the document. */
  #selectionIn({ selection: { main } }: EditorState): Selection {
    const at = (position: number) => this.#held?.mapPos(position, -1) ?? position;
    return { anchor: at(main.anchor), head: at(main.head) };
  }

  #contextOf(transaction: Transaction): EditContext {
    const userEvent = transaction.annotation(Transaction.userEvent);
    const isolated = transaction.annotation(isolateHistory);
    const begins =
      this.#beginsStep ||
      transaction.changes.touchesRange(this.#edited.from, this.#edited.to) === false ||
      isolated === "before" ||
      isolated === "full" ||
      (userEvent !== undefined && !CONTINUES.test(userEvent));
    this.#beginsStep = isolated === "after" || isolated === "full";
    this.#edited = changedRange(transaction);
    return {
      selection: this.#selectionIn(transaction.startState),
      // A composition is one step, however long it takes.
      joins: userEvent === "input.type.compose" ? "always" : begins ? "never" : "soon",
    };
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
        endComposition(this.#view);
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

/** From the start of the first change to the end of the last, in the text that they made. */
function changedRange({ changes, newDoc }: Transaction): { from: number; to: number } {
  const range = { from: newDoc.length, to: 0 };
  changes.iterChangedRanges((_fromA, _toA, fromB, toB) => {
    range.from = Math.min(range.from, fromB);
    range.to = toB;
  });
  return range;
}

function mappedRange({ from, to }: { from: number; to: number }, changes: ChangeDesc) {
  return { from: changes.mapPos(from, -1), to: changes.mapPos(to, 1) };
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
