import { EditorState, type Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { Document, type TextChange, UndoManager } from "crdt-wasm";
import { collaboration } from "../src/collaboration.js";
import { SharedText } from "../src/shared_text.js";

/** A document that remembers what was asked of it. */
export class RecordingDocument extends Document {
  readonly calls: string[] = [];

  override insert(position: number, text: string): TextChange {
    this.calls.push(`+${position}:${text}`);
    return super.insert(position, text);
  }

  override deleteRange(position: number, length: number): TextChange {
    this.calls.push(`-${position}:${length}`);
    return super.deleteRange(position, length);
  }
}

/** Someone with a document and an editor that shows it. */
export class Replica {
  readonly document: RecordingDocument;
  readonly shared: SharedText;
  readonly view: EditorView;

  constructor(agent: string, extensions: Extension | ((shared: SharedText) => Extension) = []) {
    this.document = new RecordingDocument(agent);
    this.shared = new SharedText(this.document, { UndoManager });
    const more = typeof extensions === "function" ? extensions(this.shared) : extensions;
    this.view = new EditorView({
      state: EditorState.create({
        doc: this.shared.text,
        extensions: [more, collaboration(this.shared)],
      }),
    });
  }

  get text(): string {
    return this.view.state.doc.toString();
  }

  /** Types at the caret, as a person does. */
  type(text: string): void {
    this.view.dispatch(this.view.state.replaceSelection(text), { userEvent: "input.type" });
  }

  place(anchor: number, head = anchor): void {
    this.view.dispatch({ selection: { anchor, head } });
  }

  /** Takes over everything that the other one has. */
  pull(other: Replica): void {
    this.document.merge(other.document.encodeSince(this.document.version()));
  }
}

/** Replicas `a`, `b`, … that all show the text. */
export function replicasWith(text: string, count = 2): Replica[] {
  const replicas = Array.from({ length: count }, (_, index) => new Replica("abcdef".charAt(index)));
  const [first, ...others] = replicas;
  if (first === undefined) return [];
  if (text !== "") first.type(text);
  for (const other of others) other.pull(first);
  return replicas;
}
