// The page before its document is there: the room, the name, and an editor that takes typing at once.
//
// Nothing here needs WebAssembly or the network. `session.ts`, which does, is loaded while one types.

import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, placeholder } from "@codemirror/view";
import { earlyView } from "@crdt/codemirror/early";
import { newName, tidyName } from "./name.js";
import { page } from "./page.js";
import { drawProblem, type Problem } from "./problem_view.js";
import {
  addressOf,
  linkProblem,
  newKey,
  newRoom,
  type RoomAddress,
  roomIn,
  serverFor,
} from "./room.js";
import { random, store, storedValue } from "./settings.js";
import { fillPage } from "./texts/fill.js";
import { texts } from "./texts/index.js";

/** A room, with what this page holds of it. */
export type RoomHere = RoomAddress & { room: string };

const NAME_KEY = "name";

/** The address by which the page was opened. */
export const address = new URL(location.href);

/** The room that the page was opened in, and why its link cannot be followed, if so. */
export const entered = enterRoom();

/** What stands in the editor while there is no text. */
export const placeholders = new Compartment();

fillPage(document, texts);
showRoom(entered.here);
drawProblem(entered.problem);
page.saving.textContent = texts.saving.early;
page.name.value = rememberedName();
page.server.value = serverFor(address);
page.name.addEventListener("change", () => {
  page.name.value = tidyName(page.name.value);
  store(() => localStorage, NAME_KEY, page.name.value);
});

export const view = earlyView(page.editor, {
  readOnly: entered.here.secret !== null && "readKey" in entered.here.secret,
  extensions: [
    placeholders.of(placeholder(texts.editor.early)),
    EditorView.contentAttributes.of({ "aria-label": texts.editor.label, spellcheck: "true" }),
    EditorState.phrases.of(texts.phrases),
  ],
});
view.focus();
page.skip.addEventListener("click", (event) => {
  // The fragment of the address is the room.
  event.preventDefault();
  view.focus();
});
performance.mark("one can type");

/** Asks before the page is left with text that is in no document. */
function askToStay(event: Event): void {
  if (view.state.doc.length > 0) event.preventDefault();
}

window.addEventListener("beforeunload", askToStay);

/** Is to be called once the document has what was typed. */
export function documentIsOpen(): void {
  window.removeEventListener("beforeunload", askToStay);
  page.text.ariaBusy = "false";
  for (const control of page.waiting) control.disabled = false;
}

/** Shows what keeps the document from being opened; what was typed stays in the editor. */
export function documentIsMissing(error: unknown): void {
  page.text.ariaBusy = "false";
  page.saving.textContent = texts.saving.noDocument;
  page.saving.dataset["look"] = "bad";
  drawProblem({
    ...texts.problems.noDocument,
    detail: error instanceof Error ? error.message : String(error),
  });
}

/** Shows the name of a room, and the links that can be made to it. */
export function showRoom({ room, secret }: RoomHere): void {
  page.room.textContent = room;
  document.title = `${room} · ${texts.page.title}`;
  // Only whoever may write can make links that may not.
  page.moreLinks.hidden = secret === null || !("key" in secret);
}

/** A room that nobody has been in, with a key. */
export function freshRoom(): RoomHere {
  const key = newKey(crypto.getRandomValues(new Uint8Array(16)));
  return { room: newRoom(random), secret: { key }, token: null };
}

/** The room of the address, which gets one where it has none that will do. */
function enterRoom(): { here: RoomHere; problem: Problem | null } {
  const { room, secret, token } = roomIn(address);
  const reason = linkProblem(address);
  const here = room !== null && reason === null ? { room, secret, token } : freshRoom();
  history.replaceState(null, "", addressOf(here, address));
  if (reason === null) return { here, problem: null };
  return { here, problem: { ...texts.links.bad, detail: reason } };
}

function rememberedName(): string {
  const known = storedValue(() => localStorage, NAME_KEY);
  if (known !== null) return tidyName(known);
  const name = newName(random);
  store(() => localStorage, NAME_KEY, name);
  return name;
}
