// The events of documents: their listeners, and the transactions in which edits are reported.

import { aString, answer, answerBytes, badArgument, coded, done, isIndex, report, wasm } from "./memory.js";

/** The feeds of the documents that somebody listens to, by handle. */
export const observers = new Map();

/** Makes an edit or a merge, and calls the listeners. */
export function observed(handle, act, how) {
  const feed = observers.get(handle);
  return feed === undefined ? act() : feed.run(act, how ?? LOCAL);
}

const LOCAL = { origin: undefined, local: true };

/** Called by the module when the network merged something; listeners may call anything. */
export function tellReceived(handle) {
  try {
    observers.get(handle)?.catchUp();
  } catch (error) {
    report(error);
  }
}

/** Under this name a document has the function that says whether it is saved on the device. */
const SAVING = Symbol.for("crdt-wasm.saving");

/** Called by the module for the status of the network: "saved", "saving", "unsaved", or null. */
export function savedOf(handle) {
  try {
    return observers.get(handle)?.saved ?? null;
  } catch (error) {
    report(error);
    return null;
  }
}

/** The feed of a document, which is made if there is none, and keeps the document as long as it is. */
export function feedOf(handle, document) {
  let feed = observers.get(handle);
  if (feed === undefined) {
    done(wasm.crdt_listen(handle, LISTENED));
    feed = new Feed(handle, document);
    observers.set(handle, feed);
  }
  return feed;
}

const EVENTS = ["change", "update"];

/** The event, if there is one of that name. */
export function anEvent(event) {
  if (!EVENTS.includes(aString("event", event))) {
    throw coded("bad_argument", `there is no event ${event}: there are ${EVENTS.join(", ")}`);
  }
  return event;
}

/** The time after which an event that there was no memory for is tried again, in milliseconds. */
const AGAIN_MS = 1000;

/** What the module needs to know: that there are listeners, and that they want the changes of the text. */
const LISTENED = 1;
const JOURNAL = 2;

class Feed {
  #handle;
  #document;
  #listeners = { change: new Set(), update: new Set() };
  #undoManagers = new Set();
  /** How the transaction that runs is made, or null. */
  #transaction = null;
  /** How many events of the document were reported. */
  #told;
  #keepsJournal = false;
  /** How the edits were made whose events are late, or null. */
  #late = null;
  /** The timer after which these are tried again. */
  #again;
  #waiting = [];
  #calling = false;
  /** What became of the text in the transaction that was noted last. */
  lastChanges = [];

  constructor(handle, document) {
    this.#handle = handle;
    this.#document = document;
    this.#told = wasm.crdt_event_count(handle);
  }

  add(event, listener) {
    this.#listeners[event].add(listener);
    this.#settle();
  }

  remove(event, listener) {
    this.#listeners[event].delete(listener);
    this.#settle();
  }

  addUndoManager(manager) {
    this.#undoManagers.add(manager);
    this.#settle();
  }

  removeUndoManager(manager) {
    this.#undoManagers.delete(manager);
    this.#settle();
  }

  get saved() {
    return this.#document[SAVING]?.() ?? null;
  }

  /** Whether a transaction runs. */
  get isBusy() {
    return this.#transaction !== null;
  }

  /** Runs a transaction, or a part of the one that runs, and reports it. */
  run(act, how) {
    if (this.isBusy) return act();
    try {
      return this.#transact(act, how);
    } finally {
      this.tell();
    }
  }

  /** Runs a step of an undo manager, which is reported by `tell`. */
  step(act, manager) {
    return this.#transact(act, { origin: manager, local: true });
  }

  /** Tells what the network merged. */
  catchUp() {
    if (this.isBusy) return;
    this.#collect(REMOTE);
    this.tell();
  }

  /** Has something called after what waits to be told. */
  later(call) {
    this.#waiting.push([[call]]);
  }

  #transact(act, how) {
    this.#collect(REMOTE);
    this.#transaction = how;
    try {
      if (how.local) for (const manager of this.#undoManagers) manager.before(how.origin);
      return act();
    } finally {
      this.#transaction = null;
      this.#collect(how);
    }
  }

  /** Requests only what the listeners need. */
  #settle() {
    const { change, update } = this.#listeners;
    this.#keepsJournal = change.size + this.#undoManagers.size > 0;
    const listened = this.#keepsJournal || update.size > 0;
    if (!listened) observers.delete(this.#handle);
    wasm.crdt_listen(this.#handle, (listened ? LISTENED : 0) | (this.#keepsJournal ? JOURNAL : 0));
  }

  /** Notes what happened since it was noted last; where there is no memory for that, it is noted later. */
  #collect(how) {
    this.lastChanges = [];
    const events = wasm.crdt_event_count(this.#handle);
    if (events <= this.#told) return;
    const { origin, local } = this.#withLate(how);
    const { change, update } = this.#listeners;
    let bytes;
    let changes = [];
    try {
      if (update.size > 0) bytes = answerBytes(wasm.crdt_encode_new(this.#handle, this.#told));
      if (this.#keepsJournal) changes = JSON.parse(answer(wasm.crdt_take_changes(this.#handle)));
    } catch (error) {
      this.#noteLater(how, error);
      return;
    }
    this.#late = null;
    this.#told = events;
    if (bytes !== undefined) this.#waiting.push([update, bytes, { origin, local }]);
    this.lastChanges = changes;
    if (changes.length > 0 && change.size > 0) {
      this.#waiting.push([change, new ChangeEvent(changes, origin, local)]);
    }
    for (const manager of this.#undoManagers) manager.after(local);
  }

  /** How edits are reported together with those before them: as local if any of them is, so that they are sent on. */
  #withLate(how) {
    return this.#late === null || (how.local && !this.#late.local) ? how : this.#late;
  }

  /** The edit is made; that its events are late is no failure of the edit. */
  #noteLater(how, error) {
    if (this.#late === null) report(error);
    this.#late = this.#withLate(how);
    // A document whose change was interrupted has no further events.
    if (error.code !== "out_of_memory") return;
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.catchUp(), AGAIN_MS);
    // Node would wait for it.
    this.#again.unref?.();
  }

  /** Calls the listeners, in the order in which things happened. */
  tell() {
    if (this.#calling) return;
    this.#calling = true;
    for (;;) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      const [listeners, ...payload] = next;
      for (const listener of [...listeners]) {
        try {
          listener(...payload);
        } catch (error) {
          report(error);
        }
      }
    }
    this.#calling = false;
  }
}

const REMOTE = { origin: undefined, local: false };

class ChangeEvent {
  constructor(changes, origin, local) {
    this.changes = changes;
    this.origin = origin;
    this.local = local;
  }

  get delta() {
    return toDelta(this.changes);
  }
}

/** Changes, which go from the end of the text to its start, as a delta, which goes the other way. */
export function toDelta(changes) {
  const isChange = (one) =>
    isIndex(one?.position) && isIndex(one.deleted) && typeof one.inserted === "string";
  if (!Array.isArray(changes) || !changes.every(isChange)) {
    throw badArgument("changes", "an array of changes: { position, deleted, inserted }", changes);
  }
  const delta = [];
  let at = 0;
  for (const { position, deleted, inserted } of changes.toReversed?.() ?? [...changes].reverse()) {
    if (position > at) delta.push({ retain: position - at });
    if (inserted !== "") delta.push({ insert: inserted });
    if (deleted > 0) delta.push({ delete: deleted });
    at = position + deleted;
  }
  return delta;
}
