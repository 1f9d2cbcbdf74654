import { ChangeSet } from "@codemirror/state";
import type { TextChange } from "crdt-wasm";
import { carryOver } from "./held_changes.js";
import { applyChanges, replacementBetween } from "./replacement.js";
import type { SharedText, TextView } from "./shared_text.js";

/**
 * Keeps a plain `<textarea>` and a shared text equal; returns what ends that.
 *
 * The area's text gives way to the shared one. Selection and scroll position stay where they were
 * in the text when others change it. While an input method composes, what others change waits, as
 * writing to the area would break the composition off. A value that a script sets is taken over with the
 * next event `input`, or when others change something. While `shared.readOnly` is set, the area is
 * read-only.
 */
export function bindTextarea(area: HTMLTextAreaElement, shared: SharedText): () => void {
  const binding = new TextareaBinding(area, shared);
  return () => {
    binding.destroy();
  };
}

/**
 * All changes are kept in the positions of the document's text, which are not those of the area:
 * there a `\r\n` counts as one. So what the user changes fits the document whatever has come in
 * since, and nothing of it has to be refused.
 */
class TextareaBinding implements TextView {
  readonly #area: HTMLTextAreaElement;
  readonly #shared: SharedText;
  readonly #leave: () => void;
  readonly #listening = new AbortController();
  /** The text whose shown form is in the area: the document's, as it was before `#waiting`. */
  #base: string;
  /** The document's text, as far as this view was told of it. */
  #text: string;
  /** From `#base` to `#text`: what others changed and the area does not show yet. */
  #waiting: ChangeSet;
  #composing = false;
  #resetPlanned = false;

  constructor(area: HTMLTextAreaElement, shared: SharedText) {
    this.#area = area;
    this.#shared = shared;
    this.#leave = shared.addView(this);
    this.#base = shared.text;
    this.#text = this.#base;
    this.#waiting = ChangeSet.empty(this.#base.length);
    area.value = shownForm(this.#base);
    if (shared.readOnly) area.readOnly = true;

    const { signal } = this.#listening;
    area.addEventListener("input", () => this.#typed(), { signal });
    area.addEventListener("compositionstart", () => (this.#composing = true), { signal });
    area.addEventListener("compositionend", () => this.#composed(), { signal });
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

  /** The document may be ahead of what this view was told so far, so this happens after that. */
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
    const { edits, held } = carryOver(typed, this.#waiting);
    this.#waiting = held;
    this.#base = applyChanges(this.#base, [edit]);
    this.#text = applyChanges(this.#text, edits);
    this.#shared.edit(edits, this);
  }

  #composed(): void {
    this.#composing = false;
    // Browsers differ in whether the last `input` comes before this.
    this.#typed();
  }

  #show(): void {
    if (this.#waiting.empty) return;
    const area = this.#area;
    const { selectionStart, selectionEnd, selectionDirection, scrollTop, scrollLeft } = area;
    const caret = selectionStart === selectionEnd;
    const [before, waiting] = [this.#base, this.#waiting];
    const start = waiting.mapPos(documentPosition(before, selectionStart), caret ? -1 : 1);
    const end = Math.max(start, waiting.mapPos(documentPosition(before, selectionEnd), -1));

    this.#base = this.#text;
    this.#waiting = ChangeSet.empty(this.#base.length);
    area.value = shownForm(this.#base);
    area.setSelectionRange(
      shownPosition(this.#base, start),
      shownPosition(this.#base, end),
      selectionDirection,
    );
    area.scrollTop = scrollTop;
    area.scrollLeft = scrollLeft;
  }
}

/** Text areas show every line ending as `\n`. */
function shownForm(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

/** Where in the text the position of its shown form is. */
function documentPosition(text: string, shown: number): number {
  let position = shown;
  // Every \r\n that ends at or before the position counts one more.
  for (let at = text.indexOf("\r\n"); at !== -1 && at < position; at = text.indexOf("\r\n", at + 2)) {
    position += 1;
  }
  return position;
}

/** Where in the shown form a position of the text is; after a `\r\n` where it is inside one. */
function shownPosition(text: string, position: number): number {
  return shownForm(text.slice(0, position)).length;
}

/** A change of the shown form, as the change of the text that comes to show so. */
function inDocument(text: string, { position, deleted, inserted }: TextChange): TextChange {
  const from = documentPosition(text, position);
  const to = documentPosition(text, position + deleted);
  // A \r that comes to stand before a \n would make one line ending with it, and two are shown.
  if (text[from - 1] === "\r" && (inserted + text.slice(to, to + 1)).startsWith("\n")) {
    return { position: from - 1, deleted: to - from + 1, inserted: `\n${inserted}` };
  }
  return { position: from, deleted: to - from, inserted };
}

function sequence(changes: readonly TextChange[], length: number): ChangeSet {
  return changes.reduce((all, { position, deleted, inserted }) => {
    const change = { from: position, to: position + deleted, insert: inserted };
    return all.compose(ChangeSet.of(change, all.newLength, "\n"));
  }, ChangeSet.empty(length));
}
