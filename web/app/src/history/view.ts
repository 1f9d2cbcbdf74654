// Shows a moment of the history, coloured by author, or the difference between two texts.

import {
  type ChangeSpec,
  EditorState,
  type Extension,
  RangeSetBuilder,
  StateEffect,
  StateField,
  type Text,
} from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import type { TextChange } from "crdt-wasm";
import { texts } from "../texts/index.js";
import type { Author } from "./authors.js";
import type { Moment, Playback } from "./playback.js";

/** So many steps at most are made one after the other; a longer way is a new text. */
const NEAR = 64;
/** What changes stays so far from the edge, in pixels. */
const MARGIN = 40;

const setCodes = StateEffect.define<Text>();

export class HistoryView {
  readonly #view: EditorView;
  readonly #label: string;
  #playback: Playback | null = null;
  #shown: number | null = null;

  constructor(parent: Element, label: string) {
    this.#label = label;
    this.#view = new EditorView({ parent, state: this.#state("", []) });
  }

  /** Shows this history from now on. */
  open(playback: Playback): void {
    this.#playback = playback;
    this.#shown = null;
  }

  /** Shows the text after so many steps, and brings what the last one changed into view. */
  show(step: number): void {
    const playback = this.#playback;
    if (playback === null) return;
    const moment = playback.at(step);
    const near = this.#shown !== null && step >= this.#shown && step - this.#shown <= NEAR;
    if (near) {
      const changes: ChangeSpec = playback.changes(this.#shown ?? 0, step);
      this.#view.dispatch({ changes, effects: setCodes.of(moment.codes), filter: false });
    } else {
      this.#view.setState(this.#state(moment.text, [codesOf(moment), colours(playback)]));
    }
    this.#shown = step;
    const place = playback.place(step);
    if (place === null) return;
    const effects = EditorView.scrollIntoView(place, { y: "nearest", yMargin: MARGIN });
    this.#view.dispatch({ effects });
  }

  /** Shows how a text becomes another one by changes that go from its end to its start. */
  compare(before: string, changes: readonly TextChange[]): void {
    this.#shown = null;
    let [text, at] = ["", 0];
    const marks = new RangeSetBuilder<Decoration>();
    for (const { position, deleted, inserted } of changes.toReversed()) {
      text += before.slice(at, position);
      for (const [piece, mark] of [
        [before.slice(position, position + deleted), gone],
        [inserted, come],
      ] as const) {
        if (piece !== "") marks.add(text.length, text.length + piece.length, mark);
        text += piece;
      }
      at = position + deleted;
    }
    const first = changes.at(-1)?.position ?? 0;
    this.#view.setState(
      this.#state(text + before.slice(at), EditorView.decorations.of(marks.finish())),
    );
    this.#view.dispatch({ effects: EditorView.scrollIntoView(first, { y: "center" }) });
  }

  destroy(): void {
    this.#view.destroy();
  }

  #state(doc: Text | string, extensions: Extension): EditorState {
    return EditorState.create({
      doc,
      extensions: [
        EditorState.lineSeparator.of("\n"),
        EditorState.readOnly.of(true),
        // One can go through it by keys, and copy of it.
        EditorView.editable.of(false),
        EditorView.contentAttributes.of({ tabindex: "0", "aria-label": this.#label }),
        EditorView.lineWrapping,
        extensions,
      ],
    });
  }
}

const gone = Decoration.mark({ tagName: "del" });
const come = Decoration.mark({ tagName: "ins" });

const codesField = StateField.define<Text | null>({
  create: () => null,
  update: (before, { effects }) =>
    effects.reduce((now, effect) => (effect.is(setCodes) ? effect.value : now), before),
});

function codesOf({ codes }: Moment): Extension {
  return codesField.init(() => codes);
}

/** What is in view in the colours of its authors. */
function colours(playback: Playback): Extension {
  return ViewPlugin.define(
    (view) => ({
      marks: marksIn(view, playback),
      update(update: ViewUpdate) {
        if (update.docChanged || update.viewportChanged) this.marks = marksIn(update.view, playback);
      },
    }),
    { decorations: ({ marks }) => marks },
  );
}

function marksIn(view: EditorView, playback: Playback): DecorationSet {
  const marks = new RangeSetBuilder<Decoration>();
  const codes = view.state.field(codesField);
  if (codes === null) return marks.finish();
  for (const { from, to } of view.visibleRanges) {
    const shown = codes.sliceString(from, to);
    for (let start = 0, end = 1; start < shown.length; start = end) {
      end = start + 1;
      while (end < shown.length && shown[end] === shown[start]) end += 1;
      const author = playback.authorOfCode(shown.charCodeAt(start));
      if (author !== null) marks.add(from + start, from + end, markOf(author, playback));
    }
  }
  return marks.finish();
}

function markOf(author: Author, playback: Playback): Decoration {
  return Decoration.mark({
    class: "by",
    attributes: { style: `--person: ${playback.colorOf(author.name)}`, title: authorText(author) },
  });
}

/** A name, and a time where one is known. */
export function authorText({ name, time }: Author): string {
  if (time === null) return name;
  const words = new Intl.DateTimeFormat(texts.language, { dateStyle: "medium", timeStyle: "short" });
  return `${name}, ${words.format(time)}`;
}
