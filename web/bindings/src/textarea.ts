import { ChangeSet } from "@codemirror/state";
import type { TextChange } from "crdt-wasm";
import { applyChanges, replacementBetween } from "./replacement.js";
import type { SharedText, TextView } from "./shared_text.js";

/**
 * Keeps a plain `<textarea>` and a shared text equal; returns what ends that.
 *
 * The area's text gives way to the shared one. Selection and scroll position stay where they were
 * in the text when others change it. While an input method composes, what others change waits, as
 * writing to the area would break the composition off.
 */
export function bindTextarea(area: HTMLTextAreaElement, shared: SharedText): () => void {
  const binding = new TextareaBinding(area, shared);
  return () => {
    binding.destroy();
  };
}

class TextareaBinding implements TextView {
  readonly #area: HTMLTextAreaElement;
  readonly #shared: SharedText;
  readonly #leave: () => void;
  readonly #listening = new AbortController();
  /** The document's text. */
  #text: string;
  /** What the area shows: the text as it was before `#waiting`, in the area's line endings. */
  #shown: string;
  /** From `#shown` to the text in the area's line endings. */
  #waiting: ChangeSet;
  #composing = false;

  constructor(area: HTMLTextAreaElement, shared: SharedText) {
    this.#area = area;
    this.#shared = shared;
    this.#leave = shared.addView(this);
    this.#text = shared.text;
    this.#shown = shownForm(this.#text);
    this.#waiting = ChangeSet.empty(this.#shown.length);
    area.value = this.#shown;

    const { signal } = this.#listening;
    area.addEventListener("input", () => this.#typed(), { signal });
    area.addEventListener("compositionstart", () => (this.#composing = true), { signal });
    area.addEventListener("compositionend", () => this.#composed(), { signal });
  }

  receive(changes: readonly TextChange[]): void {
    const before = this.#text;
    this.#text = applyChanges(before, changes);
    const same = isShownAsIs(before) && isShownAsIs(this.#text);
    this.#waiting = this.#waiting.compose(
      same
        ? sequence(changes, before.length)
        : difference(shownForm(before), shownForm(this.#text)),
    );
    if (!this.#composing) this.#show();
  }

  reset(): void {
    this.#text = this.#shared.text;
    this.#waiting = difference(this.#shown, shownForm(this.#text));
    if (!this.#composing) this.#show();
  }

  destroy(): void {
    this.#listening.abort();
    this.#leave();
  }

  /** Hands in what the user changed, carried over what others changed since and is not shown. */
  #typed(): void {
    const { value, selectionEnd } = this.#area;
    const change = replacementBetween(this.#shown, value, 0, selectionEnd);
    if (change === null) return;
    const typed = sequence([change], this.#shown.length);
    const edits: TextChange[] = [];
    typed.map(this.#waiting).iterChanges((fromA, toA, fromB, _toB, inserted) => {
      const edit = {
        position: documentPosition(this.#text, fromB),
        deleted: 0,
        inserted: inserted.toString(),
      };
      edit.deleted = documentPosition(this.#text, fromB + toA - fromA) - edit.position;
      this.#text = applyChanges(this.#text, [edit]);
      edits.push(edit);
    }, true);
    this.#waiting = this.#waiting.map(typed, true);
    this.#shown = value;
    this.#shared.edit(edits, this);
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
    const { selectionStart, selectionEnd, selectionDirection, scrollTop, scrollLeft } = area;
    const caret = selectionStart === selectionEnd;
    const start = this.#waiting.mapPos(selectionStart, caret ? -1 : 1);
    const end = Math.max(start, this.#waiting.mapPos(selectionEnd, -1));

    this.#shown = shownForm(this.#text);
    this.#waiting = ChangeSet.empty(this.#shown.length);
    area.value = this.#shown;
    area.setSelectionRange(start, end, selectionDirection);
    area.scrollTop = scrollTop;
    area.scrollLeft = scrollLeft;
  }
}

/** Text areas show every line ending as `\n`. */
function shownForm(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

function isShownAsIs(text: string): boolean {
  return !text.includes("\r");
}

/** Where in the document's text the position of the shown text is. */
function documentPosition(text: string, shown: number): number {
  if (isShownAsIs(text)) return shown;
  let position = 0;
  for (let passed = 0; passed < shown; passed += 1) {
    position += text.startsWith("\r\n", position) ? 2 : 1;
  }
  return position;
}

function sequence(changes: readonly TextChange[], length: number): ChangeSet {
  return changes.reduce((all, { position, deleted, inserted }) => {
    const change = { from: position, to: position + deleted, insert: inserted };
    return all.compose(ChangeSet.of(change, all.newLength, "\n"));
  }, ChangeSet.empty(length));
}

function difference(before: string, after: string): ChangeSet {
  const change = replacementBetween(before, after);
  return sequence(change === null ? [] : [change], before.length);
}
