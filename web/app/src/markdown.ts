// Markdown as the editor colours it.

import { defineLanguageFacet, Language } from "@codemirror/language";
import { GFM, type LeafBlockParser, type MarkdownConfig, parser } from "@lezer/markdown";

/**
 * The longest line with colours, and the length at which a paragraph is cut, in UTF-16 units. The parser reads a paragraph at
 * once, and all of it again after each key: without a bound, a long text without empty lines holds up typing.
 */
export const MOST_UNITS = 10_000;

/** Ends a paragraph before a line, also before an indented one, where `endLeaf` is not asked. */
const cut: LeafBlockParser = {
  nextLine(context, line, leaf) {
    if (leaf.content.length <= MOST_UNITS && line.text.length <= MOST_UNITS) return false;
    const { start, content } = leaf;
    const inner = context.parser.parseInline(content, start);
    context.addLeafElement(leaf, context.elt("Paragraph", start, start + content.length, inner));
    return true;
  },
  finish: () => false,
};

const bounded: MarkdownConfig = {
  defineNodes: [{ name: "LongLine", block: true }],
  parseBlock: [
    {
      name: "LongLine",
      before: "IndentedCode",
      parse(context, line) {
        if (line.text.length <= MOST_UNITS) return false;
        const { lineStart } = context;
        context.addElement(context.elt("LongLine", lineStart + line.pos, lineStart + line.text.length));
        context.nextLine();
        return true;
      },
      leaf: () => cut,
    },
  ],
};

export const markdown = new Language(
  defineLanguageFacet(),
  parser.configure([GFM, bounded]),
  [],
  "markdown",
);
