import { ChangeSet } from "@codemirror/state";
import type { Selection, TextChange } from "crdt-wasm";
import { type BindingOptions, boundTo } from "./binding_options.js";
import { carryOver } from "./held_changes.js";
import type { Presence } from "./presence.js";
import { applyChanges, replacementBetween } from "./replacement.js";
import type { SharedText, TextDocument, TextView } from "./shared_text.js";
import { documentPosition, inDocument, sequence, shownForm, shownPosition } from "./shown_form.js";
import { firstVisibleLine, scrollIntoView, scrollToLine } from "./textarea_layout.js";
import { type EditContext, type UndoKind, undoKindOf } from "./undo_steps.js";

/**
 * Keeps a plain `<textarea>` and a document, or a shared text, equal; returns what ends that. All views of one document
 * have the same shared text.
 *
 * ```js
 * const letGo = bindTextarea(area, doc, { UndoManager, network, user: { name: "Ada", color: "teal" } });
 * ```
 *
 * The area's text gives way to the shared one. When others change the text, the selection stays where it was in
 * it, and so do the lines in view. While an input method composes, what others change waits, as
 * writing to the area would break the composition off. A value that a script sets is taken over with the
 * next event `input`, or when others change something. With a `network` or a `presence`, the others see the
 * selection; a text area has no place for theirs. While `shared.readOnly` is set, the area is
 * read-only.
 *
 * The keys of undo and redo, and what menus of the browser ask for, act on the steps of the shared text
 * (`SharedText.undo`) if there is an `UndoManager`: browsers forget their own steps when a value is set.
 */
export function bindTextarea(
  area: HTMLTextAreaElement,
  text: SharedText | TextDocument,
  options: BindingOptions = {},
): () => void {
  const { shared, presence } = boundTo(text, options);
  const binding = new TextareaBinding(area, shared, presence);
  return () => {
    binding.destroy();
  };
}

/** The types of input that may continue the step of undo before. */
const CONTINUES = /^(insertText|insertCompositionText|insertLineBreak|delete.*)?$/;

/**
 * All changes are kept in the positions of the document's text, which are not those of the area:
 * there a `\r\n` counts as one. So what the user changes fits the document whatever has come in
 * since, and nothing of it has to be refused.
 */
class TextareaBinding implements TextView {
  readonly #area: HTMLTextAreaElement;
  readonly #shared: SharedText;
  readonly #presence: Presence | null;
  readonly #leave: () => void;
  readonly #listening = new AbortController();
  /** The text whose shown form is in the area: the document's, as it was before `#waiting`. */
  #base: string;
  /** The document's text, as far as this view has received it. */
  #text: string;
  /** From `#base` to `#text`: what others changed and the area does not show yet. */
  #waiting: ChangeSet;
  #composing = false;
  #resetPlanned = false;
  /** Before the input that is under way. */
  #selectionBefore: Selection | null = null;
  /** Where the last edit left the caret; -1 after the user moved it. */
  #caretAfter = -1;
  #inputType = "";
  /** Whether an edit of this composition was handed in. */
  #composedBefore = false;

  constructor(area: HTMLTextAreaElement, shared: SharedText, presence: Presence | null) {
    this.#area = area;
    this.#shared = shared;
    this.#presence = presence;
    this.#leave = shared.addView(this);
    this.#base = shared.text;
    this.#text = this.#base;
    this.#waiting = ChangeSet.empty(this.#base.length);
    area.value = shownForm(this.#base);
    if (shared.readOnly) area.readOnly = true;

    const { signal } = this.#listening;
    area.addEventListener("beforeinput", (event) => this.#beforeInput(event), { signal });
    area.addEventListener("input", (event) => this.#input(event), { signal });
    area.addEventListener("compositionstart", () => this.#composes(), { signal });
    area.addEventListener("compositionend", () => this.#composed(), { signal });
    if (presence !== null) {
      document.addEventListener("selectionchange", () => this.#showSelection(), { signal });
    }
    if (shared.hasUndo) area.addEventListener("keydown", (event) => this.#key(event), { signal });
  }

  receive(changes: readonly TextChange[]): void {
    // The reset that is on its way shows these too.
    if (this.#resetPlanned) return;
    this.#waiting = this.#waiting.compose(sequence(changes, this.#text.length));
    this.#text = applyChanges(this.#text, changes);
    if (this.#composing) return;
    // A script set the value, without an event: that is taken over before anything is shown.
    if (this.#area.value !== shownForm(this.#base)) this.reset();
    else this.#show();
  }

  /** The document may be ahead of what this view has received, so this happens after that. */
  reset(): void {
    if (this.#resetPlanned) return;
    this.#resetPlanned = true;
    queueMicrotask(() => {
      if (this.#resetPlanned) this.#typed();
    });
  }

  setReadOnly(readOnly: boolean): void {
    this.#area.readOnly = readOnly;
  }

  destroy(): void {
    this.#resetPlanned = false;
    this.#listening.abort();
    this.#leave();
    this.#presence?.setSelection(null);
  }

  /** Takes the document's text over, where a reset is due. */
  #catchUp(): void {
    if (!this.#resetPlanned) return;
    this.#resetPlanned = false;
    try {
      this.#text = this.#shared.text;
    } catch (error) {
      // The document is gone; the area keeps what it shows.
      reportError(error);
      return;
    }
    const change = replacementBetween(this.#base, this.#text);
    this.#waiting = sequence(change === null ? [] : [change], this.#base.length);
  }

  #key(event: KeyboardEvent): void {
    if (event.altKey || event.isComposing || event.ctrlKey === event.metaKey) return;
    const key = event.key.toLowerCase();
    const isRedo = (key === "z" && event.shiftKey) || (key === "y" && event.ctrlKey);
    if (!isRedo && (key !== "z" || event.shiftKey)) return;
    event.preventDefault();
    this.#step(isRedo ? "redo" : "undo");
  }

  #beforeInput(event: InputEvent): void {
    const kind = this.#shared.hasUndo ? undoKindOf(event) : null;
    if (kind === null) {
      const { selectionStart, selectionEnd } = this.#area;
      this.#selectionBefore = this.#selection();
      const isSame = selectionStart === this.#caretAfter && selectionEnd === this.#caretAfter;
      if (!isSame) this.#caretAfter = -1;
      return;
    }
    event.preventDefault();
    this.#step(kind);
  }

  #input(event: Event): void {
    this.#inputType = event instanceof InputEvent ? event.inputType : "";
    this.#typed();
  }

  /** The selection, in positions of the document. */
  #selection(): Selection {
    const { selectionStart, selectionEnd, selectionDirection } = this.#area;
    const ends = [selectionStart, selectionEnd].map((end) =>
      this.#waiting.mapPos(documentPosition(this.#base, end), -1),
    );
    if (selectionDirection === "backward") ends.reverse();
    const [anchor = 0, head = 0] = ends;
    return { anchor, head };
  }

  /** Shows the others the selection, once somebody is in the area. */
  #showSelection(): void {
    if (!this.#presence?.isShown || document.activeElement !== this.#area) return;
    const { anchor, head } = this.#selection();
    this.#presence.setSelection(this.#shared.anchorSelection(anchor, head));
  }

  /** Undoes or redoes a step, selects what was selected before it, and scrolls there. */
  #step(kind: UndoKind): void {
    // What a script set is an edit, and comes first.
    this.#typed();
    const step = this.#shared[kind](this.#selection());
    if (step?.selection == null || !this.#waiting.empty) return;
    const { anchor, head } = step.selection;
    const [from, to] = [anchor, head].map((end) => shownPosition(this.#base, end)) as [number, number];
    const direction = from > to ? "backward" : "none";
    this.#area.setSelectionRange(Math.min(from, to), Math.max(from, to), direction);
    scrollIntoView(this.#area, to);
  }

  /** Hands in what the user changed, carried over what others changed since and is not shown. */
  #typed(): void {
    this.#catchUp();
    const { value, selectionEnd } = this.#area;
    const change = replacementBetween(shownForm(this.#base), value, 0, selectionEnd);
    if (change !== null) this.#handIn(inDocument(this.#base, change));
    if (!this.#composing) this.#show();
  }

  #handIn(edit: TextChange): void {
    const typed = sequence([edit], this.#base.length);
    const context = this.#takeContext();
    const { edits, held } = carryOver(typed, this.#waiting);
    this.#waiting = held;
    this.#base = applyChanges(this.#base, [edit]);
    this.#text = applyChanges(this.#text, edits);
    this.#shared.edit(edits, this, context);
  }

  #takeContext(): EditContext {
    const selection = this.#selectionBefore;
    const [inputType, caret] = [this.#inputType, this.#caretAfter];
    this.#selectionBefore = null;
    this.#inputType = "";
    this.#caretAfter = this.#area.selectionEnd;
    if (this.#composing && this.#composedBefore) return { selection, joins: "always" };
    this.#composedBefore = this.#composing;
    return { selection, joins: caret === -1 || !CONTINUES.test(inputType) ? "never" : "soon" };
  }

  #composes(): void {
    this.#composing = true;
    this.#composedBefore = false;
  }

  #composed(): void {
    // Browsers differ in whether the last `input` comes before this.
    this.#typed();
    this.#composing = false;
    this.#show();
  }

  #show(): void {
    if (this.#waiting.empty) return;
    const area = this.#area;
    const { selectionStart, selectionEnd, selectionDirection, scrollLeft } = area;
    const line = firstVisibleLine(area);
    const caret = selectionStart === selectionEnd;
    const [before, waiting] = [this.#base, this.#waiting];
    const start = waiting.mapPos(documentPosition(before, selectionStart), caret ? -1 : 1);
    const end = Math.max(start, waiting.mapPos(documentPosition(before, selectionEnd), -1));

    // Text that comes in right before the line stays out of view.
    const first = line === null ? 0 : waiting.mapPos(documentPosition(before, line.position), 1);

    this.#base = this.#text;
    this.#waiting = ChangeSet.empty(this.#base.length);
    area.value = shownForm(this.#base);
    area.setSelectionRange(
      shownPosition(this.#base, start),
      shownPosition(this.#base, end),
      selectionDirection,
    );
    if (this.#caretAfter === selectionEnd) this.#caretAfter = area.selectionEnd;
    if (line === null) area.scrollTop = 0;
    else scrollToLine(area, { ...line, position: shownPosition(this.#base, first) });
    area.scrollLeft = scrollLeft;
  }
}
