// The editor that both sides get, but for what keeps it in sync.
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";

export function showEditor(parent, text, extensions) {
  return new EditorView({
    parent,
    state: EditorState.create({ doc: text, extensions: [extensions, EditorView.lineWrapping] }),
  });
}
