import type { Extension } from "@codemirror/state";
import { type BindingOptions, boundTo } from "./binding_options.js";
import { synchronized } from "./codemirror.js";
import { remoteCursors } from "./cursors.js";
import type { SharedText, TextDocument } from "./shared_text.js";

/**
 * A CodeMirror extension that keeps the editor and a document, or a shared text, equal. All editors of one document
 * have the same shared text.
 *
 * ```js
 * new EditorView({ parent, extensions: collaboration(doc, { UndoManager, network, user: { name: "Ada", color: "teal" } }) });
 * ```
 *
 * What the user changes becomes the same insertions and deletions in the document. What others
 * change becomes transactions that leave the selection with the text it was in. A state that starts with another
 * text than the document's gets that.
 *
 * With an `UndoManager`, the keys of undo and redo, and what menus of the browser ask for, act on the steps of the
 * shared text (`SharedText.undo`): leave `history()` out. Typing is grouped as `history()` groups it. With a
 * `network` or a `presence`, the selections of the others are shown, as `remoteCursors` does it.
 *
 * The line separator of the state is set to `\n`, since positions on both sides have to count the
 * same: a `\r` that someone else's program put into the text is a character like any other. Pasted
 * and dropped text gets `\n`. While `shared.readOnly` is set, the editor is read-only.
 *
 * While an input method composes, what others change waits, as it would break the composition off. It is shown
 * once the composition ends. A composition without input for five seconds is ended for that.
 */
export function collaboration(
  text: SharedText | TextDocument,
  options: BindingOptions = {},
): Extension {
  const { shared, presence } = boundTo(text, options);
  return [
    synchronized(shared),
    presence === null ? [] : remoteCursors(shared, presence),
  ];
}
