// What helps to write, and is loaded once one can write: search, Markdown in colours, directions of lines.

import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { openSearchPanel, search, searchKeymap } from "@codemirror/search";
import { Compartment, RangeSetBuilder, StateEffect } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  EditorView,
  keymap,
  lineNumbers,
  ViewPlugin,
  type ViewUpdate,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { markdown } from "./markdown.js";

const colours = HighlightStyle.define([
  { tag: tags.heading, fontWeight: "700" },
  { tag: tags.strong, fontWeight: "700" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strikethrough, textDecoration: "line-through" },
  { tag: [tags.link, tags.url], color: "var(--accent)" },
  { tag: tags.monospace, fontFamily: "ui-monospace, monospace" },
  { tag: tags.quote, color: "var(--soft)" },
  { tag: [tags.processingInstruction, tags.contentSeparator], color: "var(--soft)" },
]);

const autoDirection = Decoration.line({ attributes: { dir: "auto" } });

/** Each line goes in the direction of its own first letter. */
const directions = [
  EditorView.perLineTextDirection.of(true),
  ViewPlugin.define(
    (view) => ({
      lines: visibleLines(view),
      update(update: ViewUpdate) {
        if (update.docChanged || update.viewportChanged) this.lines = visibleLines(update.view);
      },
    }),
    { decorations: ({ lines }) => lines },
  ),
];

function visibleLines(view: EditorView): DecorationSet {
  const lines = new RangeSetBuilder<Decoration>();
  for (const { from, to } of view.visibleRanges) {
    for (let at = from; at <= to; ) {
      const line = view.state.doc.lineAt(at);
      lines.add(line.from, line.from, autoDirection);
      at = line.to + 1;
    }
  }
  return lines.finish();
}

const numbers = new Compartment();

/** Adds all of it to an editor. */
export function addWritingAids(view: EditorView, withNumbers: boolean): void {
  view.dispatch({
    effects: StateEffect.appendConfig.of([
      search({ top: true }),
      keymap.of(searchKeymap),
      markdown,
      syntaxHighlighting(colours),
      directions,
      numbers.of(withNumbers ? lineNumbers() : []),
    ]),
  });
}

export function showNumbers(view: EditorView, on: boolean): void {
  view.dispatch({ effects: numbers.reconfigure(on ? lineNumbers() : []) });
}

export { openSearchPanel };
