// The text into files, onto paper, and out of files.

import type { EditorView } from "@codemirror/view";
import { Document } from "crdt-wasm";
import { coded } from "./problem.js";

/** The forms in which the text can be had. */
export type FileKind = "text" | "markdown" | "history";

const KINDS: Record<FileKind, { ending: string; type: string }> = {
  text: { ending: "txt", type: "text/plain;charset=utf-8" },
  markdown: { ending: "md", type: "text/markdown;charset=utf-8" },
  history: { ending: "crdt", type: "application/octet-stream" },
};

/** Has the browser save the document under this name. */
export function download(replica: Document, kind: FileKind, name: string): void {
  const { ending, type } = KINDS[kind];
  const content = kind === "history" ? new Uint8Array(replica.save()) : replica.getText();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = `${name.replace(/[^\p{L}\p{N}._ -]/gu, "-")}.${ending}`;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * Takes a file in: the text at the caret, as a paste; a document with its history becomes one with this one.
 *
 * @throws `read_only` for a page that only reads, `bad_file` where a document is damaged; nothing was changed then
 */
export async function takeIn(file: File, replica: Document, view: EditorView): Promise<void> {
  if (view.state.readOnly) throw coded("read_only", "");
  if (file.name.endsWith(`.${KINDS.history.ending}`)) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    let other: Document;
    try {
      other = Document.openVerified(bytes);
    } catch (error) {
      throw coded("bad_file", (error as Error).message);
    }
    replica.merge(other.encodeSince());
    other.free();
    return;
  }
  const text = (await file.text()).replace(/\r\n?/g, "\n");
  view.dispatch(view.state.replaceSelection(text), { userEvent: "input.paste", scrollIntoView: true });
}

/** Prints the whole text, of which the editor draws what is in view. */
export function printWhole(paper: HTMLElement, text: () => string): void {
  window.addEventListener("beforeprint", () => (paper.textContent = text()));
  window.addEventListener("afterprint", () => (paper.textContent = ""));
}
