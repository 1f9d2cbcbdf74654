import { EditorView, placeholder } from "@codemirror/view";
import { CollabEditor } from "@crdt/codemirror";
import init, { Document, NetworkSync, type NetworkStatus } from "crdt-wasm";
import { listStored, openStored, type StoredDocument } from "crdt-wasm/storage";
import { AppVersion } from "./app_version.js";
import { findings, showFindings } from "./doctor.js";
import { agentIdFor, colorOf, tidyName } from "./name.js";
import { page } from "./page.js";
import { peopleIn, showPeople } from "./people.js";
import { coded, type Problem, problemOf } from "./problem.js";
import { recentRooms, showRecent, storedName } from "./recent.js";
import {
  addressOf,
  linkProblem,
  linkTo,
  newKey,
  newRoom,
  type RoomAddress,
  roomIn,
  serverFor,
} from "./room.js";
import { savingLine, wouldLose } from "./saving.js";
import { hintText, countText, statusLine } from "./status.js";

const NAME_KEY = "name";
const COUNT_DELAY_MS = 150;
const COPIED_MS = 2000;
const CHECK_EVERY_MS = 1000;

/** A room, with what this page holds of it. */
type RoomHere = RoomAddress & { room: string };

const address = new URL(location.href);
/** The room that this page is in; "New link" moves it to another one, with its text. */
let here = enterRoom();
let agentId = agentIdFor(rememberedName(), random);
let stored: StoredDocument | null = null;
let editor: CollabEditor | null = null;
/** The problem that is shown is that no server can be reached. */
let isAway = false;
const version = AppVersion.keep(() => (page.update.hidden = false));
/** The latest status that the event `status` reported. `getStatus()` in the middle of an edit may return a passing one. */
let shown: NetworkStatus | null = null;

showRoom();
page.name.value = rememberedName();
page.server.value = serverFor(address);
page.updateTake.addEventListener("click", () => version?.take());
showStatus(null);

try {
  // The text is there before any network is, and is read while the module is loaded.
  const loading = init().then(() => Document);
  const { document } = keep(
    await openStored(nameHere(), { Document: loading, agent: { name: rememberedName() } }),
  );
  start(
    await CollabEditor.create(page.editor, {
      document,
      agentId: () => agentId,
      room: () => here.room,
      secret: () => here.secret,
      token: () => here.token,
      onStatus: showStatus,
      onError: (error, status) => {
        // What keeps this page from connecting is told when it gives up, and in the status till then.
        if (status?.state === "connected") showError(error);
      },
      onOutdated: ({ peer, side, ours, theirs }) => {
        if (side === "here") version?.check();
        showError(
          coded(`outdated_${side}`, `this page speaks version ${ours}, ${peer} version ${theirs}`),
        );
      },
      onDiverged: ({ peer, frontier }) =>
        showError(coded("diverged", `${peer} has another text at ${frontier}`)),
      extensions: [
        placeholder("Write something…"),
        EditorView.contentAttributes.of({ "aria-label": "The shared text", spellcheck: "true" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) planCount(update.view);
        }),
      ],
    }),
  );
} catch (error) {
  page.connect.disabled = true;
  showProblem({
    title: "The editor could not be loaded",
    advice: "Reload the page. If that does not help, use a current Firefox, Chrome, Edge or Safari.",
    detail: error instanceof Error ? error.message : String(error),
  });
}

function start(created: CollabEditor): void {
  editor = created;
  page.count.textContent = countText(created.document.getText());
  showSaving();
  void showRecentRooms();
  showName(created);
  created.presence.onChange(showWhoIsHere);
  page.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (created.getNetworkStatus() === null) void connect(created);
    else created.disableNetworkSync();
  });
  page.name.addEventListener("change", () => {
    page.name.value = tidyName(page.name.value);
    remember(page.name.value);
    showName(created);
  });
  page.copyLink.addEventListener("click", () => {
    void copy(page.copyLink, linkTo(here.room, here.secret, address));
  });
  page.copyReadLink.addEventListener("click", () => void copyReadLink());
  page.newLink.addEventListener("click", () => void moveToNewRoom(created));
  page.problemClose.addEventListener("click", () => showProblem(null));
  window.addEventListener("beforeunload", (event) => {
    if (wouldLose(stored?.status ?? null, created.getNetworkStatus())) event.preventDefault();
  });
  // A link to the same room with another key loads no page by itself.
  window.addEventListener("hashchange", () => location.reload());
  page.doctor.addEventListener("toggle", showDoctor);
  // Not every step of a connection is told as an event.
  setInterval(() => {
    if (page.doctor.open) showDoctor();
  }, CHECK_EVERY_MS);
  created.view.focus();
}

async function connect(created: CollabEditor): Promise<void> {
  showProblem(null);
  // The old id may still be held by the server for a connection that broke.
  agentId = agentIdFor(page.name.value, random);
  showName(created);
  const connected = created.enableNetworkSync(page.server.value.trim());
  showStatus(created.getNetworkStatus());
  try {
    await connected;
    const { state, error } = created.getNetworkStatus() ?? {};
    if (state === "reconnecting" && error) {
      showError(coded(error.code, error.message));
      isAway = true;
    }
  } catch (error) {
    showError(error);
  }
  showDoctor();
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
  const { text, look } = savingLine(stored?.status ?? null);
  if (page.saving.textContent !== text) page.saving.textContent = text;
  page.saving.dataset["look"] = look;
  page.saving.dataset["state"] = stored?.status.state ?? "";
}

/** The rooms that can be reopened. Where nothing can be stored, there are none. */
async function showRecentRooms(): Promise<void> {
  const all = await listStored().catch(() => []);
  showRecent(page.recent, recentRooms(all, nameHere(), address, Date.now()));
}

/** Shows others the name, now and when connected; the id stays as long as the connection. */
function showName(created: CollabEditor): void {
  created.presence.setUser({ name: page.name.value, color: colorOf(agentId) });
  showWhoIsHere();
}

function showWhoIsHere(): void {
  const me = { agentId, name: page.name.value };
  showPeople(page.peers, peopleIn(me, shown, editor?.presence.participants ?? []));
}

function showDoctor(): void {
  const status = editor?.getNetworkStatus() ?? null;
  showFindings(page.doctor, findings(editor?.doctor() ?? null, status));
}

function showStatus(status: NetworkStatus | null): void {
  shown = status;
  const { text, look } = statusLine(status);
  // Written only when it differs, since screen readers read out what is written.
  if (page.status.textContent !== text) page.status.textContent = text;
  page.status.dataset["state"] = look;

  page.connect.textContent =
    status === null
      ? "Connect to Network"
      : status.state === "connecting"
        ? "Cancel"
        : "Disconnect";
  page.connect.classList.toggle("primary", status === null);
  page.server.readOnly = status !== null;

  showWhoIsHere();
  showDoctor();
  const hint = hintText(status, here.secret);
  if (page.hint.textContent !== hint) page.hint.textContent = hint;
  page.hint.hidden = hint === "";

  if (isAway && status?.state === "connected") showProblem(null);
  if (status?.state === "error" && status.error !== null) {
    showError(coded(status.error.code, status.error.message));
  }
}

function showError(error: unknown): void {
  const problem = problemOf(error);
  if (problem !== null) showProblem(problem);
}

function showProblem(problem: Problem | null): void {
  isAway = false;
  page.problem.hidden = problem === null;
  page.problemTitle.textContent = problem?.title ?? "";
  page.problemAdvice.textContent = problem?.advice ?? "";
  page.problemDetail.textContent = problem?.detail ?? "";
}

/** The room of the address, which gets one where it has none that will do. */
function enterRoom(): RoomHere {
  const { room, secret, token } = roomIn(address);
  const problem = linkProblem(address);
  const entered = room !== null && problem === null ? { room, secret, token } : freshRoom();
  history.replaceState(null, "", addressOf(entered, address));
  if (problem !== null) {
    showProblem({
      title: "That link cannot be followed",
      advice: "Ask for it again, and copy it as a whole. You are in a new room for now.",
      detail: `${problem}.`,
    });
  }
  return entered;
}

/** A room that nobody has been in, with a key. */
function freshRoom(): RoomHere {
  const key = newKey(crypto.getRandomValues(new Uint8Array(16)));
  return { room: newRoom(random), secret: { key }, token: null };
}

/** Takes the text to a new room, which no earlier link leads to. */
async function moveToNewRoom(created: CollabEditor): Promise<void> {
  const isConnected = created.getNetworkStatus() !== null;
  if (isConnected) created.disableNetworkSync();
  // What cannot be stored in the old room goes to the new one all the same.
  await stored?.close().catch(() => {});
  here = freshRoom();
  keep(await openStored(nameHere(), { document: created.document }));
  showSaving();
  void showRecentRooms();
  history.pushState(null, "", addressOf(here, address));
  showRoom();
  page.moreLinks.open = false;
  if (isConnected) await connect(created);
  await copy(page.copyLink, linkTo(here.room, here.secret, address));
}

/** Shows the name of the room, and the links that can be made to it. */
function showRoom(): void {
  page.room.textContent = here.room;
  document.title = `${here.room} · Write together`;
  // Only whoever may write can make links that may not.
  page.moreLinks.hidden = here.secret === null || !("key" in here.secret);
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
    window.prompt("Copy this link:", link);
    return;
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = name), COPIED_MS);
}

let countPlanned = false;

/** Counts a little later, so that fast typing in a long text is not held up by it. */
function planCount(view: EditorView): void {
  if (countPlanned) return;
  countPlanned = true;
  setTimeout(() => {
    countPlanned = false;
    page.count.textContent = countText(view.state.doc.toString());
  }, COUNT_DELAY_MS);
}

function rememberedName(): string {
  try {
    return tidyName(localStorage.getItem(NAME_KEY) ?? "");
  } catch {
    // Storage may be switched off.
    return tidyName("");
  }
}

function remember(name: string): void {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // Then it has to be typed again next time.
  }
}

function random(limit: number): number {
  const [number = 0] = crypto.getRandomValues(new Uint32Array(1));
  return number % limit;
}
