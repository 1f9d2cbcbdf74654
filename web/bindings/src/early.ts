// The editor before anything of the document is loaded: CodeMirror alone, without WebAssembly and the network.

import { defaultKeymap } from "@codemirror/commands";
import { EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, keymap } from "@codemirror/view";
import { lineEnds } from "./line_ends.js";

export interface EarlyViewOptions {
  /** The text that the editor starts with. */
  text?: string;
  /** Whether the room may not be written in, as with a read-only link. */
  readOnly?: boolean;
  /** More extensions for CodeMirror; they come before the editor's own. */
  extensions?: Extension;
}

/**
 * Makes an editor in which one can type while the document is still being loaded.
 *
 * ```js
 * const view = earlyView(parent);
 * const { CollabEditor } = await import("@crdt/codemirror");
 * const editor = await CollabEditor.create(parent, { view });
 * ```
 *
 * `CollabEditor` takes it over with the option `view`, and what was typed becomes an edit of the document.
 */
export function earlyView(parent: Element, options: EarlyViewOptions = {}): EditorView {
  const { text = "", readOnly = false, extensions = [] } = options;
  return new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        extensions,
        lineEnds,
        readOnly ? EditorState.readOnly.of(true) : [],
        drawSelection(),
        EditorView.lineWrapping,
        keymap.of(defaultKeymap),
      ],
    }),
  });
}
