// The class `UndoManager`.

import { Document } from "./document.js";
import { feedOf } from "./feed.js";
import { aFunction, aString, badArgument, coded, done, report, someOptions, wasm } from "./memory.js";

const OPTIONS = ["captureTimeout", "trackedOrigins", "getSelection"];
const EVENTS = ["change", "undo", "redo"];

export class UndoManager {
  #document;
  #feed;
  /** Its number at the document; 0 once it is destroyed. */
  #number;
  #captureTimeout;
  #trackedOrigins;
  #getSelection;
  #listeners = { change: new Set(), undo: new Set(), redo: new Set() };
  /** When the last edit of the step was made that further edits join, or null where none is open. */
  #openSince = null;
  /** Where the selection was before each step that can be undone or redone. */
  #selections = { undo: [], redo: [] };
  /** Counts the edits that are in no step: while there are none, positions are as they were. */
  #others = 0;
  /** Of the transaction that runs: whether it is tracked, whether it joins a step, where the selection was. */
  #tracked = false;
  #joins = false;
  #selection = null;
  #stepping = false;

  constructor(document, options) {
    if (!(document instanceof Document)) throw badArgument("document", "a Document", document);
    const { captureTimeout = 500, trackedOrigins, getSelection } = someOptions(options, OPTIONS);
    if (typeof captureTimeout !== "number" || !(captureTimeout >= 0)) {
      throw badArgument("captureTimeout", "a number of milliseconds, zero or more", captureTimeout);
    }
    if (trackedOrigins !== undefined && typeof trackedOrigins?.[Symbol.iterator] !== "function") {
      throw badArgument("trackedOrigins", "an array or a Set", trackedOrigins);
    }
    this.#getSelection =
      getSelection === undefined ? () => null : aFunction("getSelection", getSelection);
    this.#number = done(wasm.crdt_undo_create(document.handle));
    this.#document = document;
    this.#captureTimeout = captureTimeout;
    this.#trackedOrigins = trackedOrigins === undefined ? null : new Set(trackedOrigins);
    this.#feed = feedOf(document.handle, document);
    this.#feed.addUndoManager(this);
  }

  get canUndo() {
    return (this.#can() & 1) !== 0;
  }

  get canRedo() {
    return (this.#can() & 2) !== 0;
  }

  undo() {
    return this.#step("undo", "redo");
  }

  redo() {
    return this.#step("redo", "undo");
  }

  stopCapturing() {
    this.#live();
    this.#openSince = null;
  }

  on(event, listener) {
    this.#of(event).add(aFunction("listener", listener));
    return () => this.off(event, listener);
  }

  off(event, listener) {
    this.#of(event).delete(listener);
  }

  destroy() {
    if (this.#number === 0) return;
    this.#feed.removeUndoManager(this);
    wasm.crdt_undo_free(this.#document.handle, this.#number);
    this.#number = 0;
  }

  /** Called by the feed before a transaction of edits that are made here. */
  before(origin) {
    if (this.#stepping) return;
    this.#tracked = this.#tracks(origin);
    const open = this.#openSince;
    this.#joins = this.#tracked && open !== null && Date.now() - open < this.#captureTimeout;
    if (this.#joins) return;
    this.#openSince = null;
    this.#checkpoint(false);
    if (this.#tracked) this.#selection = this.#readSelection();
  }

  /** Called by the feed when there are new events. */
  after(local) {
    if (this.#stepping) return;
    if (!local || !this.#tracked) {
      this.#others += 1;
      if (local) this.#checkpoint(true);
      return;
    }
    this.#openSince = Date.now();
    if (this.#joins) return;
    this.#selections.undo.push(this.#selection);
    this.#selections.redo = [];
    this.#feed.later(() => this.#tellOfChange());
  }

  #tracks(origin) {
    if (this.#trackedOrigins === null) return !(origin instanceof UndoManager);
    return this.#trackedOrigins.has(origin ?? null);
  }

  #checkpoint(skip) {
    done(wasm.crdt_undo_checkpoint(this.#document.handle, this.#live(), skip ? 1 : 0));
  }

  #step(kind, opposite) {
    const number = this.#live();
    const { handle } = this.#document;
    if (this.#feed.isBusy) {
      throw coded("document_busy", `${kind} cannot be a part of a transaction`);
    }
    const now = this.#readSelection();
    this.#openSince = null;
    this.#stepping = true;
    let stepped = false;
    let changes = [];
    const redo = kind === "redo" ? 1 : 0;
    try {
      stepped = this.#feed.step(() => done(wasm.crdt_undo_step(handle, number, redo)) > 0, this);
      changes = this.#feed.lastChanges;
    } finally {
      this.#stepping = false;
    }
    // Steps that have no effect any more are gone, too.
    const left = Math.max(wasm.crdt_undo_depth(handle, number, redo), 0);
    const was = this.#selections[kind][left] ?? null;
    this.#selections[kind].length = Math.min(left, this.#selections[kind].length);
    let result = null;
    if (stepped) {
      this.#selections[opposite].push(now);
      result = { changes, selection: this.#restored(was) ?? extent(changes) };
      this.#feed.later(() => this.#tell(kind, result));
    }
    this.#feed.later(() => this.#tellOfChange());
    this.#feed.tell();
    return result;
  }

  /** Where the selection is, to be found again. */
  #readSelection() {
    let selection;
    try {
      selection = this.#getSelection();
    } catch (error) {
      report(error);
    }
    if (typeof selection?.anchor !== "number" || typeof selection?.head !== "number") return null;
    // An editor may be ahead of the document.
    const within = (at) => Math.max(0, Math.min(at, this.#document.length));
    const [anchor, head] = [within(selection.anchor), within(selection.head)];
    const ends = [Math.min(anchor, head), Math.max(anchor, head)];
    try {
      // The characters around it stay, whatever becomes of those in it.
      const [start, end] = ends.map((at, i) => this.#document.anchorAt(at, i === 0 ? "left" : "right"));
      return { anchor, head, start, end, others: this.#others };
    } catch (error) {
      report(error);
      return null;
    }
  }

  #restored(selection) {
    if (selection === null) return null;
    const { anchor, head, start, end, others } = selection;
    const isThere = Math.max(anchor, head) <= this.#document.length;
    if (others === this.#others && isThere) return { anchor, head };
    const from = this.#document.positionOf(start) ?? 0;
    const to = Math.max(from, this.#document.positionOf(end) ?? from);
    if (anchor === head) return { anchor: from, head: from };
    return anchor < head ? { anchor: from, head: to } : { anchor: to, head: from };
  }

  #can() {
    return done(wasm.crdt_undo_can(this.#document.handle, this.#live()));
  }

  #live() {
    if (this.#number === 0) throw coded("destroyed", "the undo manager was destroyed");
    return this.#number;
  }

  #of(event) {
    if (!EVENTS.includes(aString("event", event))) {
      throw coded("bad_argument", `there is no event ${event}: there are ${EVENTS.join(", ")}`);
    }
    return this.#listeners[event];
  }

  #tellOfChange() {
    if (this.#number === 0 || this.#listeners.change.size === 0) return;
    const can = this.#can();
    this.#tell("change", { canUndo: (can & 1) !== 0, canRedo: (can & 2) !== 0 });
  }

  #tell(event, payload) {
    for (const listener of [...this.#listeners[event]]) {
      try {
        listener(payload);
      } catch (error) {
        report(error);
      }
    }
  }
}

if (Symbol.dispose) UndoManager.prototype[Symbol.dispose] = UndoManager.prototype.destroy;

/** From the start of the first change to the end of the last, in the text that they made. */
function extent(changes) {
  let [anchor, head, shift] = [null, 0, 0];
  for (const { position, deleted, inserted } of [...changes].reverse()) {
    const start = position + shift;
    anchor ??= start;
    head = start + inserted.length;
    shift += inserted.length - deleted;
  }
  return anchor === null ? null : { anchor, head };
}
