// The compositions of input methods, which break off where the editor is set up anew meanwhile.

import type { EditorView } from "@codemirror/view";

const CHECK_EVERY_MS = 50;
/** A composition is waited for so long; on phones one lasts until the next space. */
const LONGEST_MS = 5000;

/** Has the input method put down what it composes. */
export function endComposition(view: EditorView): void {
  view.contentDOM.blur();
  view.focus();
}

/** Waits until no composition goes on in the editor, and ends one that has not ended after five seconds. */
export async function compositionOver(view: EditorView): Promise<void> {
  const until = Date.now() + LONGEST_MS;
  if (!view.composing) return;
  while (view.composing) {
    if (Date.now() > until) endComposition(view);
    await later();
  }
  // The editor reads what a composition left a moment after its end.
  await later();
}

function later(): Promise<void> {
  return new Promise((done) => setTimeout(done, CHECK_EVERY_MS));
}
