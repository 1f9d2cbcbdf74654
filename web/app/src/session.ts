// The document of the room, with its storage and its network, in the editor that the page has already.

import "@fontsource-variable/inter/wght.css";
import { EditorView, placeholder } from "@codemirror/view";
import { CollabEditor, compositionOver } from "@crdt/codemirror";
import init, { Document, NetworkSync, warmUp, type NetworkStatus } from "crdt-wasm";
import { listStored, openStored, type StoredDocument } from "crdt-wasm/storage";
import { AppVersion } from "./app_version.js";
import { Counter } from "./counter.js";
import { findings, showFindings } from "./doctor.js";
import {
  address,
  documentIsOpen,
  entered,
  freshRoom,
  placeholders,
  type RoomHere,
  showRoom,
  view,
} from "./early.js";
import { serveMenu } from "./menu.js";
import { Follower } from "./follow.js";
import { openHistory } from "./history/open.js";
import { agentIdFor, colorAmong } from "./name.js";
import { page } from "./page.js";
import { peopleIn, showPeople } from "./people.js";
import { coded, problemOf } from "./problem.js";
import { drawProblem, type Problem } from "./problem_view.js";
import { recentRooms, showRecent, storedName } from "./recent.js";
import { addressOf, linkTo, momentIn } from "./room.js";
import { type SavingLine, savingLine, serverLine, wouldLose } from "./saving.js";
import { random, store, storedValue } from "./settings.js";
import { countText, emptyText, hintText, isOnItsWay, statusLine } from "./status.js";
import { texts } from "./texts/index.js";

/** Set in a tab that its user disconnected: it stays so when it is loaded again. */
const OFFLINE_KEY = "offline";
const COUNT_DELAY_MS = 150;
const COPIED_MS = 2000;
const CHECK_EVERY_MS = 1000;
const IDLE_AFTER_MS = 1000;

/** The problem that is shown is that no server can be reached. */
let isAway = false;
/** Why the link that the page was opened by cannot be followed, until that was read and closed. */
let badLink: Problem | null = entered.problem;
/** The room that this page is in; "New link" moves it to another one, with its text. */
let here: RoomHere = entered.here;
let agentId = agentIdFor(page.name.value, random);
let stored: StoredDocument | null = null;
let editor: CollabEditor | null = null;
let follower: Follower | null = null;
/** The app as this device keeps it, once the document is there. */
let version: AppVersion | null = null;
/** The latest status that the event `status` reported. `getStatus()` in the middle of an edit may return a passing one. */
let shown: NetworkStatus | null = null;
const counter = new Counter((counts) => (page.count.textContent = countText(counts)));
let shownPlaceholder = "";
/** Whether the network has said nothing so far about text of the others. */
let isFirst = true;

/** Opens the document of the room, and hands it what was typed until then. */
export async function open(): Promise<void> {
  // The text is there before any network is, and is read while the module is loaded.
  const loading = init().then(() => Document);
  const { document } = keep(
    await openStored(nameHere(), { Document: loading, agent: { name: page.name.value } }),
  );
  start(
    await CollabEditor.create(page.editor, {
      document,
      view,
      agentId: () => agentId,
      room: () => here.room,
      secret: () => here.secret,
      token: () => here.token,
      onStatus: showStatus,
      onError: (error, status) => {
        // The reason why this page cannot connect is shown when it gives up, and in the status until then.
        if (status?.state === "connected") showError(error);
      },
      onOutdated: ({ peer, side, ours, theirs }) => {
        if (side === "here") version?.check();
        showError(
          coded(`outdated_${side}`, texts.details.outdated(ours, peer, theirs)),
        );
      },
      onDiverged: ({ peer, frontier }) =>
        showError(coded("diverged", texts.details.diverged(peer, frontier))),
      extensions: EditorView.updateListener.of((update) => {
        follower?.update(update);
        if (!update.docChanged) return;
        counter.count(() => update.view.state.doc, COUNT_DELAY_MS);
        showComing();
      }),
    }),
  );
}

function start(created: CollabEditor): void {
  editor = created;
  documentIsOpen();
  showStatus(null);
  version = AppVersion.keep(() => (page.update.hidden = false));
  page.updateTake.addEventListener("click", () => version?.take());
  counter.count(() => created.view.state.doc);
  showSaving();
  void showRecentRooms();
  showName(created);
  const following = new Follower(created.presence, showWhoIsHere);
  follower = following;
  for (const event of ["wheel", "pointerdown"] as const) {
    page.editor.addEventListener(event, () => following.stop(), { passive: true });
  }
  page.peers.addEventListener("click", ({ target }) => {
    const row = target instanceof Element ? target.closest("button")?.closest("li") : null;
    const peer = row?.dataset["peer"];
    if (peer !== undefined) following.toggle(peer, created.view);
  });
  // Others may have taken the colour.
  created.presence.onChange(() => showName(created));
  document.addEventListener("visibilitychange", () => showName(created));
  page.form.addEventListener("submit", (event) => {
    event.preventDefault();
    // Enter in the field of the name comes here, too; the name is changed by then.
    if (created.getNetworkStatus() === null) void connect(created);
  });
  page.disconnect.addEventListener("click", () => {
    created.disableNetworkSync();
    page.menu.open = false;
    store(() => sessionStorage, OFFLINE_KEY, "yes");
  });
  page.tokenForm.addEventListener("submit", (event) => {
    event.preventDefault();
    here = { ...here, token: page.token.value.trim() || null };
    page.token.value = "";
    history.replaceState(null, "", addressOf(here, address));
    void connect(created);
  });
  page.name.addEventListener("change", () => showName(created));
  page.copyLink.addEventListener("click", () => {
    void copy(page.copyLink, linkTo(here.room, here.secret, address));
  });
  page.copyReadLink.addEventListener("click", () => void copyReadLink());
  page.newLink.addEventListener("click", () => void moveToNewRoom(created));
  page.problemClose.addEventListener("click", () => {
    badLink = null;
    showProblem(null);
  });
  window.addEventListener("beforeunload", (event) => {
    if (wouldLose(stored?.status ?? null, created.getNetworkStatus())) event.preventDefault();
  });
  // A link to the same room with another key loads no page by itself.
  window.addEventListener("hashchange", () => location.reload());
  page.doctor.addEventListener("toggle", showDoctor);
  // Not every step of a connection is an event.
  setInterval(() => {
    if (page.doctor.open) showDoctor();
  }, CHECK_EVERY_MS);
  serveMenu(created, {
    room: () => here.room,
    openHistory: () => openHistory(created, nameHere),
    link: () => linkTo(here.room, here.secret, address),
    showError,
    stored: (key) => storedValue(() => localStorage, key),
    store: (key, value) => store(() => localStorage, key, value),
  });
  const moment = momentIn(address);
  if (moment !== null) openHistory(created, nameHere, moment).catch(showError);
  if (storedValue(() => sessionStorage, OFFLINE_KEY) === null) void connect(created, "by itself");
}

/** Joins the room; a server that is away is a problem to show only where somebody asked for it. */
async function connect(
  created: CollabEditor,
  how: "asked" | "by itself" = "asked",
): Promise<void> {
  if (how === "asked") store(() => sessionStorage, OFFLINE_KEY, null);
  // Connecting to a new room makes nothing of the link good.
  showProblem(badLink);
  // The old id may still be held by the server for a connection that broke.
  agentId = agentIdFor(page.name.value, random);
  showName(created);
  const connected = created.enableNetworkSync(page.server.value.trim());
  showStatus(created.getNetworkStatus());
  try {
    await connected;
    whenIdle(() => {
      // Where somebody is, the real connection does it.
      if (created.getNetworkStatus()?.links.length === 0) void warmUp();
    });
    const { state, error } = created.getNetworkStatus() ?? {};
    if (how === "asked" && state === "reconnecting" && error) {
      showError(coded(error.code, error.message));
      isAway = true;
    }
  } catch (error) {
    showError(error);
  }
  showDoctor();
}

/** Calls back when the page has nothing else to do; not every browser tells. */
function whenIdle(act: () => void): void {
  if (typeof requestIdleCallback === "function") requestIdleCallback(act);
  else setTimeout(act, IDLE_AFTER_MS);
}

/** The name under which the text of this room is stored. */
function nameHere(): string {
  return storedName(here.room, here.secret, address);
}

/** Shows what becomes of a stored document, in place of the one before. */
function keep(opened: StoredDocument): StoredDocument {
  stored = opened;
  opened.on("status", showSaving);
  return opened;
}

function showSaving(): void {
  showLine(page.saving, savingLine(stored?.status ?? null));
  page.saving.dataset["state"] = stored?.status.state ?? "";
}

/** Written only when it differs, since screen readers read out what is written. */
function showLine(element: HTMLElement, { text, look }: SavingLine): void {
  if (element.textContent !== text) element.textContent = text;
  element.dataset["look"] = look;
}

/** The rooms that can be reopened. Where nothing can be stored, there are none. */
async function showRecentRooms(): Promise<void> {
  const all = await listStored().catch(() => []);
  showRecent(page.recent, recentRooms(all, nameHere(), address, Date.now()));
}

/** Shows others the name, now and when connected; the id stays as long as the connection. */
function showName(created: CollabEditor): void {
  created.presence.setUser({
    name: page.name.value,
    color: ownColor(),
    ...(document.hidden ? { away: true } : {}),
  });
  showWhoIsHere();
}

function ownColor(): string {
  const others = editor?.presence.participants ?? [];
  return colorAmong(
    agentId,
    others.flatMap(({ peer, user }) => (user === null ? [] : [{ id: peer, color: user.color }])),
  );
}

function showWhoIsHere(): void {
  const me = { agentId, name: page.name.value, color: ownColor() };
  const participants = editor?.presence.participants ?? [];
  showPeople(page.peers, peopleIn(me, shown, participants, follower?.peer ?? null));
}

function showDoctor(): void {
  const status = editor?.getNetworkStatus() ?? null;
  showFindings(page.doctor, findings(editor?.doctor() ?? null, status));
}

function showStatus(status: NetworkStatus | null): void {
  shown = status;
  if (status !== null && !isOnItsWay(status)) isFirst = false;
  const { text, look } = statusLine(status);
  // Written only when it differs, since screen readers read out what is written.
  if (page.status.textContent !== text) page.status.textContent = text;
  page.status.dataset["state"] = look;

  page.connect.hidden = status !== null;
  page.disconnect.hidden = status === null;
  showPlaceholder(status);
  showComing();
  showLine(page.kept, serverLine(status));
  page.server.readOnly = status !== null;

  showWhoIsHere();
  showDoctor();
  const hint = hintText(status, here.secret);
  if (page.hint.textContent !== hint) page.hint.textContent = hint;
  page.hint.hidden = hint === "";

  if (isAway && status?.state === "connected") showProblem(badLink);
  if (status?.state === "error" && status.error !== null) {
    showError(coded(status.error.code, status.error.message));
  }
}

function showPlaceholder(status: NetworkStatus | null): void {
  const text = emptyText(status);
  if (text === shownPlaceholder) return;
  shownPlaceholder = text;
  // The status may change in the middle of an edit, where the editor takes no other change.
  void compositionOver(view).then(() => {
    view.dispatch({ effects: placeholders.reconfigure(placeholder(shownPlaceholder)) });
  });
}

/** Says that others may have text, where the editor has some already; else that stands in its place. */
function showComing(): void {
  const isShown = isFirst && isOnItsWay(shown) && view.state.doc.length > 0;
  const text = isShown ? emptyText(shown) : "";
  if (page.coming.textContent !== text) page.coming.textContent = text;
}

function showError(error: unknown): void {
  const problem = problemOf(error);
  if (problem !== null) showProblem(problem);
}

function showProblem(problem: Problem | null): void {
  isAway = false;
  drawProblem(problem);
}

/** Takes the text to a new room, which no earlier link leads to. */
async function moveToNewRoom(created: CollabEditor): Promise<void> {
  const isConnected = created.getNetworkStatus() !== null;
  if (isConnected) created.disableNetworkSync();
  // What cannot be stored in the old room goes to the new one all the same.
  await stored?.close().catch(() => {});
  here = freshRoom();
  badLink = null;
  keep(await openStored(nameHere(), { document: created.document }));
  showSaving();
  void showRecentRooms();
  history.pushState(null, "", addressOf(here, address));
  showRoom(here);
  page.moreLinks.open = false;
  if (isConnected) await connect(created);
  await copy(page.copyLink, linkTo(here.room, here.secret, address));
}

async function copyReadLink(): Promise<void> {
  if (here.secret === null || !("key" in here.secret)) return;
  try {
    const readKey = await NetworkSync.readKey(here.secret.key, here.room);
    await copy(page.copyReadLink, linkTo(here.room, { readKey }, address));
  } catch (error) {
    showError(error);
  }
}

/** Puts a link into the clipboard, and says so on the button. */
async function copy(button: HTMLButtonElement, link: string): Promise<void> {
  const name = button.dataset["name"] ?? button.textContent;
  button.dataset["name"] = name;
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    // Not allowed here: then by hand.
    window.prompt(texts.links.copyByHand, link);
    return;
  }
  button.textContent = texts.links.copied;
  setTimeout(() => (button.textContent = name), COPIED_MS);
}
