// The history of the text, in the place of the editor.

import "./history.css";
import { Document, Version } from "crdt-wasm";
import { reasonText } from "../reasons.js";
import { texts } from "../texts/index.js";
import { Playback } from "./playback.js";
import { keepVersions, namedVersions } from "./versions.js";
import { authorText, HistoryView } from "./view.js";

/** Played from end to end, a history takes so long at most. */
const LONGEST_PLAY_MS = 30_000;
/** A step is shown for so long at most. */
const SLOWEST_STEP_MS = 150;
/** The slider stays for so long before the address names its moment. */
const SETTLED_MS = 300;
const MOST_IN_NAME = 80;

/** What the history needs of the page. */
export interface HistoryHost {
  document: Document;
  /** The name under which the room's versions are kept. */
  room(): string;
  /** Whether the text may be changed. */
  mayWrite(): boolean;
  /** Has the address name a moment, or none. */
  showMoment(version: string | null): void;
  /** Is called when the history was closed. */
  closed(): void;
}

const words = texts.history;

const MARKUP = `
  <div class="history-bar">
    <h2>${words.title}</h2>
    <button type="button" class="quiet" data-part="close">${words.close}</button>
  </div>
  <p class="hint" data-part="note" role="status"></p>
  <div data-part="text"></div>
  <div class="history-bar" data-part="player">
    <button type="button" class="quiet" data-part="play">${words.play}</button>
    <input type="range" min="0" value="0" aria-label="${words.moment}" data-part="slider" />
    <output data-part="moment"></output>
  </div>
  <ul class="authors" data-part="authors" aria-label="${words.authors}"></ul>
  <div class="history-bar">
    <form data-part="form">
      <input
        data-part="name"
        aria-label="${words.name}"
        placeholder="${words.name}"
        maxlength="${MOST_IN_NAME}"
      />
      <button type="submit" class="quiet">${words.nameIt}</button>
    </form>
    <label>${words.version} <select data-part="version"></select></label>
    <label>${words.compare} <select data-part="other"></select></label>
    <button type="button" class="quiet" data-part="forget">${words.forget}</button>
    <button type="button" class="quiet" data-part="restore">${words.restore}</button>
  </div>
  <p class="hint">${words.keptHere}</p>`;

/** The latest text; the value of its choice in the lists. */
const NOW = "now";
const NONE = "";

export class HistoryPanel {
  readonly #root: HTMLElement;
  readonly #host: HistoryHost;
  readonly #view: HistoryView;
  readonly #closing = new AbortController();
  #playback: Playback | null = null;
  #step = 0;
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Opens the history in an empty element, at a moment or at the latest one. */
  constructor(root: HTMLElement, host: HistoryHost, moment: string | null) {
    this.#root = root;
    this.#host = host;
    root.innerHTML = MARKUP;
    root.hidden = false;
    this.#view = new HistoryView(this.#part("text", HTMLElement), words.textHere);
    this.#listen();
    this.#part("slider", HTMLInputElement).focus();
    void this.#read(moment);
  }

  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#view.destroy();
    this.#root.replaceChildren();
    this.#root.hidden = true;
    this.#host.showMoment(null);
    this.#host.closed();
  }

  #part<T extends HTMLElement>(name: string, kind: new () => T): T {
    const found = this.#root.querySelector(`[data-part=${name}]`);
    if (!(found instanceof kind)) throw new Error(`the history has no ${name}`);
    return found;
  }

  #listen(): void {
    const { signal } = this.#closing;
    const on = (name: string, event: string, act: () => void) =>
      this.#part(name, HTMLElement).addEventListener(event, act, { signal });
    on("close", "click", () => this.close());
    on("play", "click", () => (this.#frame === 0 ? this.#play() : this.#pause()));
    on("slider", "input", () => {
      this.#pause();
      this.#go(this.#part("slider", HTMLInputElement).valueAsNumber);
    });
    on("slider", "change", () => {
      // A key that is held gives one event after the other.
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#settle(), SETTLED_MS);
    });
    on("version", "change", () => void this.#choose());
    on("other", "change", () => this.#compare());
    on("forget", "click", () => this.#forget());
    on("restore", "click", () => this.#restore());
    this.#part("form", HTMLFormElement).addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        this.#name();
      },
      { signal },
    );
    this.#root.addEventListener(
      "keydown",
      (event) => {
        if (event.key === "Escape") this.close();
      },
      { signal },
    );
  }

  /** Reads the history, and again with every edit that comes in while a moment has not arrived here. */
  async #read(moment: string | null): Promise<void> {
    const { signal } = this.#closing;
    this.#setReady(false);
    for (;;) {
      try {
        const version = moment === null ? null : Version.fromText(moment);
        const playback = await Playback.read(this.#host.document, version, (part) => {
          if (!signal.aborted) this.#say(words.reading(Math.floor(part * 100)));
        });
        if (signal.aborted) return;
        this.#show(playback);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!isUnknown(error)) {
          const reason = error instanceof Error ? error.message : String(error);
          this.#say(words.failed(reasonText(reason) ?? texts.otherReason));
          return;
        }
        this.#say(words.momentComing);
        await nextUpdate(this.#host.document, signal);
        if (signal.aborted) return;
      }
    }
  }

  #show(playback: Playback): void {
    this.#playback = playback;
    this.#view.open(playback);
    this.#say("");
    const slider = this.#part("slider", HTMLInputElement);
    slider.max = String(playback.length);
    this.#part("authors", HTMLUListElement).replaceChildren(
      ...playback.people.map((name) => {
        const item = document.createElement("li");
        item.textContent = name;
        item.style.setProperty("--person", playback.colorOf(name));
        return item;
      }),
    );
    this.#setReady(true);
    this.#listVersions();
    this.#go(playback.start);
    this.#settle();
  }

  /** Shows the moment after so many steps. */
  #go(step: number): void {
    const playback = this.#playback;
    if (playback === null) return;
    this.#step = step;
    this.#part("other", HTMLSelectElement).value = NONE;
    const slider = this.#part("slider", HTMLInputElement);
    slider.value = String(step);
    const author = playback.authorOf(step);
    const by = author === null ? words.emptyText : authorText(author);
    slider.ariaValueText = words.step(step, playback.length, by);
    this.#part("moment", HTMLOutputElement).textContent = by;
    this.#view.show(step);
  }

  /** Names the moment in the address, and among the versions. */
  #settle(): void {
    const version = this.#versionHere();
    const isLast = this.#step === this.#playback?.length;
    this.#host.showMoment(isLast ? null : version);
    const list = this.#part("version", HTMLSelectElement);
    list.value = isLast ? NOW : (version ?? NONE);
    if (list.selectedIndex === -1) list.value = NONE;
    this.#part("forget", HTMLButtonElement).disabled = [NOW, NONE].includes(list.value);
    this.#part("restore", HTMLButtonElement).disabled = isLast || !this.#host.mayWrite();
  }

  #play(): void {
    const playback = this.#playback;
    if (playback === null || playback.length === 0) return;
    if (this.#step === playback.length) this.#go(0);
    this.#part("play", HTMLButtonElement).textContent = words.pause;
    const stepMs = Math.min(SLOWEST_STEP_MS, LONGEST_PLAY_MS / playback.length);
    let before = performance.now();
    let due = this.#step;
    const draw = (now: number) => {
      due = Math.min(playback.length, due + Math.max(0, now - before) / stepMs);
      before = now;
      if (Math.floor(due) > this.#step) this.#go(Math.floor(due));
      if (this.#step < playback.length) this.#frame = requestAnimationFrame(draw);
      else this.#pause();
    };
    this.#frame = requestAnimationFrame(draw);
  }

  #pause(): void {
    if (this.#frame === 0) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#part("play", HTMLButtonElement).textContent = words.play;
    this.#settle();
  }

  #versionHere(): string | null {
    return this.#playback?.version(this.#step).toText() ?? null;
  }

  #listVersions(): void {
    const named = namedVersions(this.#host.room());
    for (const [part, first] of [
      ["version", words.noVersion],
      ["other", words.nothing],
    ] as const) {
      this.#part(part, HTMLSelectElement).replaceChildren(
        new Option(first, NONE),
        new Option(words.latest, NOW),
        ...named.map(({ name, version }) => new Option(name, version)),
      );
    }
  }

  #name(): void {
    const field = this.#part("name", HTMLInputElement);
    const name = field.value.trim();
    const version = this.#versionHere();
    if (name === "" || version === null) return;
    const others = namedVersions(this.#host.room()).filter((one) => one.version !== version);
    try {
      keepVersions(this.#host.room(), [{ name, version, time: Date.now() }, ...others]);
    } catch {
      this.#say(words.notStored);
      return;
    }
    field.value = "";
    this.#listVersions();
    this.#settle();
    this.#say(words.named(name));
  }

  #forget(): void {
    const { value } = this.#part("version", HTMLSelectElement);
    const others = namedVersions(this.#host.room()).filter(({ version }) => version !== value);
    keepVersions(this.#host.room(), others);
    this.#listVersions();
    this.#settle();
  }

  /** Goes to the version that was chosen. */
  async #choose(): Promise<void> {
    const { value } = this.#part("version", HTMLSelectElement);
    this.#pause();
    if (value === NONE) return;
    if (value === NOW) {
      this.#go(this.#playback?.length ?? 0);
      this.#settle();
    } else {
      await this.#read(value);
    }
  }

  /** Shows what leads from this moment to the version that was chosen. */
  #compare(): void {
    const playback = this.#playback;
    const { value } = this.#part("other", HTMLSelectElement);
    if (playback === null) return;
    this.#pause();
    if (value === NONE) {
      this.#go(this.#step);
      return;
    }
    const { document: replica } = this.#host;
    try {
      const here = playback.version(this.#step);
      const other = value === NOW ? replica.version() : Version.fromText(value);
      this.#view.compare(replica.textAt(here), replica.diff(here, other));
      this.#say(words.compared);
    } catch (error) {
      this.#say(isUnknown(error) ? words.versionComing : String(error));
    }
  }

  /** Brings the text of this moment back, as a new edit. */
  #restore(): void {
    if (this.#playback === null || !this.#host.mayWrite()) return;
    this.#host.document.revertTo(this.#playback.version(this.#step));
    this.close();
  }

  #setReady(on: boolean): void {
    const controls = "button:not([data-part=close]), form input, select";
    for (const control of this.#root.querySelectorAll<HTMLInputElement>(controls)) {
      control.disabled = !on;
    }
  }

  /** Written only when it differs, since screen readers read out what is written. */
  #say(text: string): void {
    const note = this.#part("note", HTMLElement);
    if (note.textContent !== text) note.textContent = text;
  }
}

function isUnknown(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "unknown_event";
}

/** Waits until the document has more operations. */
function nextUpdate(replica: Document, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const stop = replica.on("update", () => {
      stop();
      done();
    });
    signal.addEventListener("abort", () => {
      stop();
      done();
    });
  });
}
