// The carets and the selections of the others in a Monaco editor, and one's own for them.

import type { Selection } from "crdt-wasm";
import type { editor as monaco, IDisposable } from "monaco-editor";
import { AfterChange } from "./after_change.js";
import type { Presence } from "./presence.js";
import type { SharedText } from "./shared_text.js";

/** Between the positions of the document and those that the editor shows. */
export interface Positions {
  shown(position: number): number;
  /** One's own selection, in positions of the document. */
  selection(): Selection;
}

/** `monaco.editor.ContentWidgetPositionPreference.EXACT`. The module is not loaded for it. */
const EXACT = 0;

const STYLE = `
  .crdt-caret { box-sizing: border-box; width: 0; margin-left: -1px; pointer-events: none;
    border-left: 2px solid var(--crdt-person); }
  .crdt-caretName { position: absolute; left: -2px; bottom: 100%; padding: 0 0.4em; max-width: 12em;
    overflow: hidden; text-overflow: ellipsis; white-space: nowrap; border-radius: 0.35em 0.35em 0.35em 0;
    background: var(--crdt-person); color: white; font: 600 0.6875rem/1.45 system-ui, sans-serif;
    animation: crdt-caretName 4s forwards; }
  .crdt-caret-first .crdt-caretName { bottom: auto; top: 100%; }
  @media (prefers-reduced-motion: reduce) { .crdt-caretName { animation-timing-function: step-end } }
  @keyframes crdt-caretName { 0%, 85% { opacity: 1 } 100% { opacity: 0 } }`;

/** A caret with a name, as the editor keeps it in its place. */
class Caret implements monaco.IContentWidget {
  readonly #id: string;
  readonly #element = document.createElement("div");
  readonly #name = document.createElement("span");
  #position: monaco.IContentWidgetPosition | null = null;
  #state = "";

  constructor(session: string) {
    this.#id = `crdt-caret-${session}`;
    this.#element.className = "crdt-caret";
    this.#name.className = "crdt-caretName";
    this.#element.append(this.#name);
  }

  getId(): string {
    return this.#id;
  }

  getDomNode(): HTMLElement {
    return this.#element;
  }

  getPosition(): monaco.IContentWidgetPosition | null {
    return this.#position;
  }

  /** Whether anything of it is to be drawn anew. */
  place(name: string, color: string, line: number, column: number, height: number): boolean {
    const state = JSON.stringify([name, color, line, column, height]);
    if (state === this.#state) return false;
    this.#state = state;
    this.#position = { position: { lineNumber: line, column }, preference: [EXACT] };
    this.#name.textContent = name;
    this.#element.style.setProperty("--crdt-person", color);
    this.#element.style.height = `${height}px`;
    // On the first line there is no room above.
    this.#element.classList.toggle("crdt-caret-first", line === 1);
    for (const fading of this.#name.getAnimations()) fading.currentTime = 0;
    return true;
  }
}

/** Keeps what is shown and what the network knows of the selections equal. */
export class MonacoCarets {
  readonly #editor: monaco.IStandaloneCodeEditor;
  readonly #shared: SharedText;
  readonly #presence: Presence;
  readonly #positions: Positions;
  readonly #leave: () => void;
  readonly #focus: IDisposable;
  readonly #tints: monaco.IEditorDecorationsCollection;
  readonly #carets = new Map<string, Caret>();
  readonly #sheet = document.createElement("style");
  readonly #showing = new AfterChange(() => {
    this.#showOwn();
    this.#showOthers();
  });
  /** A member that never was in the text has no place in it. */
  #entered = false;

  constructor(
    editor: monaco.IStandaloneCodeEditor,
    shared: SharedText,
    presence: Presence,
    positions: Positions,
  ) {
    this.#editor = editor;
    this.#shared = shared;
    this.#presence = presence;
    this.#positions = positions;
    this.#tints = editor.createDecorationsCollection();
    editor.getContainerDomNode().append(this.#sheet);
    this.#sheet.textContent = STYLE;
    this.#leave = presence.onChange(() => this.plan());
    this.#focus = editor.onDidFocusEditorText(() => this.plan());
    this.plan();
  }

  /** Shows all of it after the current change: by then the document has it too. */
  plan(): void {
    this.#showing.plan();
  }

  destroy(): void {
    this.#showing.end();
    this.#leave();
    this.#focus.dispose();
    this.#tints.clear();
    for (const caret of this.#carets.values()) this.#editor.removeContentWidget(caret);
    this.#sheet.remove();
    this.#presence.setSelection(null);
  }

  #showOwn(): void {
    this.#entered ||= this.#editor.hasTextFocus();
    if (!this.#entered || !this.#presence.isShown) return;
    const { anchor, head } = this.#positions.selection();
    this.#presence.setSelection(this.#shared.anchorSelection(anchor, head));
  }

  #showOthers(): void {
    const model = this.#editor.getModel();
    if (model === null) return;
    const tints: monaco.IModelDeltaDecoration[] = [];
    const rules: string[] = [STYLE];
    const gone = new Set(this.#carets.keys());
    for (const { session, user, selection } of this.#presence.participants) {
      if (user === null || selection === null) continue;
      const ends = [selection.anchor, selection.head].map((end) => this.#shared.positionOf(end));
      const [anchor, head] = ends;
      // The text that it is in has not arrived yet; when it does, this is asked again.
      if (anchor == null || head == null) continue;
      const at = (end: number) => model.getPositionAt(this.#positions.shown(end));
      const [from, to] = [at(anchor), at(head)];
      const color = CSS.supports("color", user.color) ? user.color : "gray";
      gone.delete(session);
      this.#place(session, user.name, color, to);
      if (anchor === head) continue;
      const [start, end] = anchor < head ? [from, to] : [to, from];
      const className = `crdt-tint-${rules.length}`;
      rules.push(`.${className} { background: color-mix(in srgb, ${color} 22%, transparent) }`);
      const range = {
        startLineNumber: start.lineNumber,
        startColumn: start.column,
        endLineNumber: end.lineNumber,
        endColumn: end.column,
      };
      tints.push({ range, options: { className } });
    }
    const style = rules.join("\n");
    if (this.#sheet.textContent !== style) this.#sheet.textContent = style;
    this.#tints.set(tints);
    for (const session of gone) this.#remove(session);
  }

  #place(session: string, name: string, color: string, at: { lineNumber: number; column: number }): void {
    const known = this.#carets.get(session);
    const caret = known ?? new Caret(session);
    const height = this.#editor.getLineHeightForPosition(at);
    if (!caret.place(name, color, at.lineNumber, at.column, height)) return;
    if (known === undefined) {
      this.#carets.set(session, caret);
      this.#editor.addContentWidget(caret);
    } else {
      this.#editor.layoutContentWidget(caret);
    }
  }

  #remove(session: string): void {
    const caret = this.#carets.get(session);
    if (caret !== undefined) this.#editor.removeContentWidget(caret);
    this.#carets.delete(session);
  }
}
