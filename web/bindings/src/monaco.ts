import { ChangeSet } from "@codemirror/state";
import type { Selection, TextChange } from "crdt-wasm";
import type { editor as monaco, IDisposable, IRange } from "monaco-editor";
import { AfterChange } from "./after_change.js";
import { type BindingOptions, boundTo } from "./binding_options.js";
import { carryOver } from "./held_changes.js";
import { MonacoCarets } from "./monaco_carets.js";
import type { Presence } from "./presence.js";
import { applyChanges, replacementBetween } from "./replacement.js";
import type { SharedText, TextDocument, TextView } from "./shared_text.js";
import { documentPosition, inDocument, sequence, shownForm, shownPosition } from "./shown_form.js";
import type { EditContext, UndoKind } from "./undo_steps.js";

/**
 * Keeps a Monaco editor and a document, or a shared text, equal; returns what ends that. All views of one document
 * have the same shared text.
 *
 * ```js
 * const letGo = bindMonaco(editor, doc, { UndoManager, network, user: { name: "Ada", color: "teal" } });
 * ```
 *
 * The text of the editor's model gives way to the shared one, and its line endings become `\n`. With an
 * `UndoManager`, the keys of undo and redo act on the steps of the shared text (`SharedText.undo`). With a `network`
 * or a `presence`, the carets and the selections of the others are shown, with their names. While
 * `shared.readOnly` is set, the editor is read-only.
 *
 * While an input method composes, what others change waits, as it would break the composition off. A composition
 * without input for five seconds is ended for that.
 *
 * Call what is returned before the editor is disposed of, or given another model.
 *
 * @throws {Error} where the editor has no model
 */
export function bindMonaco(
  editor: monaco.IStandaloneCodeEditor,
  text: SharedText | TextDocument,
  options: BindingOptions = {},
): () => void {
  const model = editor.getModel();
  if (model === null) throw new Error("bindMonaco: the editor has no model");
  const { shared, presence } = boundTo(text, options);
  const binding = new MonacoBinding(editor, model, shared, presence);
  return () => {
    binding.destroy();
  };
}

/** `monaco.editor.EndOfLineSequence.LF`. The module is not loaded for it. */
const LF = 0;
const CHECK_EVERY_MS = 200;
/** A composition without input for so long is ended, if others wrote. */
const IDLE_MS = 5000;

/** All changes are kept in the positions of the document's text, as in a bound text area. */
class MonacoBinding implements TextView {
  readonly #editor: monaco.IStandaloneCodeEditor;
  readonly #model: monaco.ITextModel;
  readonly #shared: SharedText;
  readonly #carets: MonacoCarets | null;
  readonly #leave: () => void;
  readonly #listening: IDisposable[];
  readonly #reset = new AfterChange(() => this.#showDocument());
  /** The text whose shown form is in the editor: the document's, as it was before `#waiting`. */
  #base: string;
  /** From `#base` to the document's text: what others changed and the editor does not show yet. */
  #waiting: ChangeSet;
  #showing = false;
  #composing = false;
  #composedBefore = false;
  #attached = true;
  /** Where the selection was before the edit that is under way. */
  #selection: Selection;
  /** The next edit begins a step of undo, as the selection was moved. */
  #beginsStep = true;
  #lastInput = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    editor: monaco.IStandaloneCodeEditor,
    model: monaco.ITextModel,
    shared: SharedText,
    presence: Presence | null,
  ) {
    this.#editor = editor;
    this.#model = model;
    this.#shared = shared;
    this.#leave = shared.addView(this);
    this.#base = shared.text;
    this.#waiting = ChangeSet.empty(this.#base.length);
    if (model.getValue() !== shownForm(this.#base)) model.setValue(shownForm(this.#base));
    model.setEOL(LF);
    this.#selection = this.#selectionNow();
    if (shared.readOnly) this.setReadOnly(true);
    this.#listening = [
      model.onDidChangeContent((event) => this.#changed(event)),
      editor.onDidChangeCursorSelection(({ source }) => this.#moved(source)),
      editor.onDidCompositionStart(() => this.#composes()),
      editor.onDidCompositionEnd(() => this.#composed()),
    ];
    if (shared.hasUndo) this.#listening.push(editor.onKeyDown(({ browserEvent }) => this.#key(browserEvent)));
    this.#carets =
      presence === null
        ? null
        : new MonacoCarets(editor, shared, presence, {
            shown: (position) => this.#shownPosition(position),
            selection: () => this.#selectionNow(),
          });
  }

  receive(changes: readonly TextChange[]): void {
    // The reset that is on its way shows these too.
    if (this.#reset.isPlanned) return;
    this.#waiting = this.#waiting.compose(sequence(changes, this.#waiting.newLength));
    if (!this.#composing) this.#show();
  }

  /** The editor may be at work on a change of its own, so this happens after that. */
  reset(): void {
    this.#reset.plan();
  }

  setReadOnly(readOnly: boolean): void {
    this.#editor.updateOptions({ readOnly });
  }

  destroy(): void {
    this.#attached = false;
    this.#reset.end();
    clearInterval(this.#timer);
    for (const one of this.#listening) one.dispose();
    this.#carets?.destroy();
    this.#leave();
  }

  #showDocument(): void {
    this.#base = documentOf(this.#base, this.#model.getValue());
    const change = replacementBetween(this.#base, this.#shared.text);
    this.#waiting = sequence(change === null ? [] : [change], this.#base.length);
    if (!this.#composing) this.#show();
  }

  /** Hands in what the user changed, carried over what others changed since and is not shown. */
  #changed({ changes }: monaco.IModelContentChangedEvent): void {
    if (this.#showing) return;
    this.#lastInput = Date.now();
    const context = this.#takeContext();
    const typed: TextChange[] = [];
    for (const { rangeOffset, rangeLength, text } of changes) {
      const shown = { position: rangeOffset, deleted: rangeLength, inserted: shownForm(text) };
      const edit = inDocument(this.#base, shown);
      typed.push(edit);
      this.#base = applyChanges(this.#base, [edit]);
    }
    const length = typed.reduce((all, { inserted, deleted }) => all - inserted.length + deleted, this.#base.length);
    const { edits, held } = carryOver(sequence(typed, length), this.#waiting);
    this.#waiting = held;
    this.#shared.edit(edits, this, context);
    this.#carets?.plan();
  }

  #takeContext(): EditContext {
    const selection = this.#selection;
    const begins = this.#beginsStep;
    this.#beginsStep = false;
    if (this.#composing && this.#composedBefore) return { selection, joins: "always" };
    this.#composedBefore = this.#composing;
    return { selection, joins: begins ? "never" : "soon" };
  }

  #moved(source: string): void {
    this.#selection = this.#selectionNow();
    // Typing moves it, too; a click or an arrow begins a step.
    if (source === "mouse" || source === "api") this.#beginsStep = true;
    this.#carets?.plan();
  }

  #key(event: KeyboardEvent): void {
    if (event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End") this.#beginsStep = true;
    if (event.altKey || event.isComposing || event.ctrlKey === event.metaKey) return;
    const key = event.key.toLowerCase();
    const isRedo = (key === "z" && event.shiftKey) || (key === "y" && event.ctrlKey);
    if (!isRedo && (key !== "z" || event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
    this.#step(isRedo ? "redo" : "undo");
  }

  /** Undoes or redoes a step, selects what was selected before it, and scrolls there. */
  #step(kind: UndoKind): void {
    const step = this.#shared[kind](this.#selectionNow());
    this.#beginsStep = true;
    if (step?.selection == null || !this.#waiting.empty) return;
    const { anchor, head } = step.selection;
    const at = (end: number) => this.#model.getPositionAt(this.#shownPosition(end));
    const [from, to] = [at(anchor), at(head)];
    this.#editor.setSelection({
      selectionStartLineNumber: from.lineNumber,
      selectionStartColumn: from.column,
      positionLineNumber: to.lineNumber,
      positionColumn: to.column,
    });
    this.#editor.revealPosition(to);
  }

  /** The selection, in positions of the document. */
  #selectionNow(): Selection {
    const selection = this.#editor.getSelection();
    if (selection === null) return { anchor: 0, head: 0 };
    const { selectionStartLineNumber, selectionStartColumn, positionLineNumber, positionColumn } = selection;
    const at = (lineNumber: number, column: number) => {
      const shown = this.#model.getOffsetAt({ lineNumber, column });
      return this.#waiting.mapPos(documentPosition(this.#base, shown), -1);
    };
    return {
      anchor: at(selectionStartLineNumber, selectionStartColumn),
      head: at(positionLineNumber, positionColumn),
    };
  }

  /** Where in the editor a position of the document is shown. */
  #shownPosition(position: number): number {
    return shownPosition(this.#base, this.#waiting.invertedDesc.mapPos(position, 1));
  }

  #composes(): void {
    this.#composing = true;
    this.#composedBefore = false;
    this.#lastInput = Date.now();
    this.#timer ??= setInterval(() => {
      const isLate = Date.now() - this.#lastInput > IDLE_MS;
      if (!isLate || this.#waiting.empty || !(document.activeElement instanceof HTMLElement)) return;
      // Has the input method put down what it composes.
      document.activeElement.blur();
      this.#editor.focus();
    }, CHECK_EVERY_MS);
  }

  #composed(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    // The editor reads what a composition left a moment after its end.
    setTimeout(() => {
      if (!this.#attached || this.#timer !== undefined) return;
      this.#composing = false;
      this.#show();
    });
  }

  /** Shows what waits. */
  #show(): void {
    if (this.#waiting.empty) return;
    const before = this.#base;
    const edits: { range: IRange; text: string; forceMoveMarkers: boolean }[] = [];
    this.#waiting.iterChanges((fromA, toA, _fromB, _toB, inserted) => {
      const start = this.#model.getPositionAt(shownPosition(before, fromA));
      const end = this.#model.getPositionAt(shownPosition(before, toA));
      const range = {
        startLineNumber: start.lineNumber,
        startColumn: start.column,
        endLineNumber: end.lineNumber,
        endColumn: end.column,
      };
      edits.push({ range, text: shownForm(inserted.sliceString(0, inserted.length, "\n")), forceMoveMarkers: false });
    });
    this.#base = this.#after(before);
    this.#waiting = ChangeSet.empty(this.#base.length);
    this.#showing = true;
    try {
      // Past the editor's own undo, which is not used.
      this.#model.applyEdits(edits);
      // A line ending of two characters may have come together, or been parted.
      const mayDiffer = before.includes("\r") || this.#base.includes("\r");
      if (mayDiffer && this.#model.getValue() !== shownForm(this.#base)) {
        this.#model.setValue(shownForm(this.#base));
      }
    } finally {
      this.#showing = false;
    }
    this.#selection = this.#selectionNow();
    this.#carets?.plan();
  }

  /** The text with what waits. */
  #after(before: string): string {
    const pieces: string[] = [];
    let at = 0;
    this.#waiting.iterChanges((fromA, toA, _fromB, _toB, inserted) => {
      pieces.push(before.slice(at, fromA), inserted.sliceString(0, inserted.length, "\n"));
      at = toA;
    });
    return pieces.join("") + before.slice(at);
  }
}

/** The text that shows so, as near as may be to the one before. */
function documentOf(before: string, shown: string): string {
  const change = replacementBetween(shownForm(before), shown);
  return change === null ? before : applyChanges(before, [inDocument(before, change)]);
}
