// A document that is kept in a storage: every edit is appended to it, and now and then all of it is replaced
// by one file.
//
// Edits are on their way in three steps: made (`#isDirty`), collected as an update (`#collected`, up to the
// version `#collectedTo`), appended (`#saved`). What comes from another tab has been stored by that tab.

import { asContent, gap, holds, mergeUpdate, openFile, restore } from "./content.js";
import { callListener, Emitter } from "./emitter.js";
import { beforeFree } from "./freeing.js";
import { Joined } from "./joined.js";
import { lifecycle, whenIdle } from "./lifecycle.js";
import { coded, mayPass, PROBLEMS, storageError } from "./problems.js";
import { Retry } from "./retry.js";

/** For so long, in milliseconds, edits are gathered before they are written. */
const GATHER_MILLIS = 25;
/** A file takes the place of the updates once they are so many, */
const MANY_UPDATES = 400;
/** or have so many bytes, and this share of the bytes of the last file. */
const MANY_BYTES = 64 * 1024;
const SHARE_OF_FILE = 0.5;
/**
 * A file without updates beside it opens fastest, so one takes the place of any updates once nothing was edited for
 * so many milliseconds, and for as long again as this rate of writing, in bytes a second, gives its size.
 */
const REST_MILLIS = 3_000;
const REST_RATE = 200_000;

/** For so long, in seconds, a storage is waited for before that is a problem. */
const PATIENCE_SECONDS = 10;

/** Where `NetworkSync` finds whether a document is saved. */
const SAVING = Symbol.for("crdt-wasm.saving");

/** The origin of what is merged from the storage. */
const FROM_STORAGE = Symbol("stored");

export class StoredDocument {
  #storage;
  #name;
  #document = null;
  #emitter = new Emitter(["status", "change"]);
  #stopListening = () => {};
  #lifecycle = null;
  /** The tabs that have the same document open. */
  #tabs;
  /** What those tabs said before the document was there. */
  #early = [];

  /** What the storage last gave out; undefined until it could be read. */
  #mark = undefined;
  #isDirty = false;
  #collected = [];
  /** Takes away what was left behind when the page was hidden; null if nothing was. */
  #takeAway = null;
  #collectedTo = null;
  #saved = null;
  /** How many updates are stored beside the file, and how many bytes; and the bytes of the file. */
  #updates = 0;
  #bytes = 0;
  #fileBytes = 0;

  #gatherTimer = null;
  #restTimer = null;
  #retry = new Retry();
  #loading = null;
  #reading = null;
  #writing = null;
  #compacting = null;

  #problem = null;
  #damage = null;
  #persisted = null;
  #asksToPersist;
  #shown = "";
  #isClosed = false;
  /** The document was freed: what was collected is still written. */
  #isFreed = false;

  constructor(storage, name, { asksToPersist }) {
    this.#storage = storage;
    this.#name = name;
    this.#asksToPersist = asksToPersist;
    // Before anything is read: what another tab writes after that is heard here.
    this.#tabs = new Joined(
      storage,
      name,
      (message) => this.#hear(message),
      (hasMissed) => {
        if (hasMissed) this.#readAgain();
        this.#tell();
      },
    );
  }

  /**
   * Opens the stored document; `document` takes it in, where it is given. `Document` is the class, or a promise of
   * it: the storage is read while the class is loaded.
   */
  open(options) {
    return waitedFor(this.#open(options));
  }

  async #open({ Document: promised, document, agent, onProgress }) {
    const loading = Promise.resolve(promised);
    // It is waited for below, where a failure is the caller's to hear.
    loading.catch(() => {});
    try {
      const made = document === null ? await this.#restore(loading, agent, onProgress) : null;
      const Document = await loading;
      if (made !== null) {
        const isNew = made.loaded.mark === null;
        this.#begin(made.document, isNew ? emptyVersion(Document) : made.document.version());
        this.#attached(made.loaded, this.#saved, made.damage);
      } else {
        this.#begin(document ?? new Document(agent), emptyVersion(Document));
        this.#isDirty = !this.#isStored();
        if (this.#problem === null) await this.#attach();
      }
    } catch (error) {
      this.#end();
      throw error;
    }
    for (const message of this.#early.splice(0)) this.#hear(message);
    this.#tell();
    return this;
  }

  get name() {
    return this.#name;
  }

  get document() {
    return this.#document;
  }

  get status() {
    const problem = this.#problem ?? this.#damage ?? this.#tabs.problem;
    const isStuck = (this.#mark === undefined && this.#reading === null) || this.#problem !== null;
    return {
      state: !this.#hasUnsaved() ? "saved" : isStuck ? "unsaved" : "saving",
      problem: problem === null ? null : { code: problem.code, message: problem.message },
      persisted: this.#persisted,
    };
  }

  on(event, listener) {
    return this.#emitter.on(event, listener);
  }

  off(event, listener) {
    this.#emitter.off(event, listener);
  }

  flush() {
    return waitedFor(this.#flush());
  }

  async compact() {
    await this.flush();
    if (this.#isFreed) throw PROBLEMS.closed();
    await this.#compact(true);
    if (this.#problem !== null) throw this.#problem;
  }

  close() {
    return waitedFor(this.#close());
  }

  async #flush() {
    if (!this.#isAlive() && this.#isFreed && !this.#hasUnsaved()) return;
    if (this.#isClosed) throw PROBLEMS.closed();
    if (this.#mark === undefined && !this.#isOver()) await this.#attach();
    this.#write();
    await inTime(this.#writing);
    if (this.#hasUnsaved()) throw this.#problem ?? PROBLEMS.closed();
  }

  async #close() {
    if (this.#isClosed) return;
    try {
      if (this.#hasUnsaved()) await this.#flush();
      await inTime(this.#compacting);
    } finally {
      this.#end();
    }
  }

  // Edits.

  #begin(document, version) {
    this.#document = document;
    this.#saved = this.#collectedTo = version;
    this.#stopListening = document.on("update", (_, { origin }) => {
      if (origin !== FROM_STORAGE) this.#edited();
    });
    const stopWaiting = beforeFree(document, () => this.#beforeFree());
    const stopListening = this.#stopListening;
    this.#stopListening = () => {
      stopWaiting();
      stopListening();
    };
    document[SAVING] = () => this.status.state;
    this.#lifecycle = lifecycle({ leave: () => this.#leave(), back: () => this.#readAgain() });
  }

  #edited() {
    this.#isDirty = true;
    clearTimeout(this.#restTimer);
    this.#plan();
    this.#tell();
  }

  /** Has what was edited written soon. */
  #plan() {
    if (!this.#canWrite() || this.#gatherTimer !== null || this.#retry.isWaiting) return;
    // Timers of a hidden page may take minutes.
    if (this.#lifecycle.isHidden()) queueMicrotask(() => this.#write());
    else this.#gatherTimer = setTimeout(() => this.#write(), GATHER_MILLIS);
  }

  #canWrite() {
    const isIdle = this.#writing === null;
    const hasSome = this.#isAlive() || this.#isFreed;
    return hasSome && isIdle && this.#mark !== undefined && !this.#isClosed && !this.#isOver();
  }

  /** Whether the document can be used. */
  #isAlive() {
    if (this.#isClosed || this.#isFreed) return false;
    try {
      return this.#document.length >= 0;
    } catch {
      // It was freed by its handle.
      this.#freed();
      return false;
    }
  }

  #beforeFree() {
    if (!this.#isAlive()) return;
    try {
      this.#collect();
    } catch {
      // It stays dirty, which is the problem then.
    }
    this.#freed();
  }

  /** The document is not there any more. What was collected is written, and then this ends. */
  #freed() {
    this.#isFreed = true;
    this.#stopListening();
    clearTimeout(this.#restTimer);
    if (this.#isDirty) this.#problem = PROBLEMS.freed();
    if (this.#hasUnsaved()) this.#write();
    this.#tell();
    if (!this.#hasUnsaved()) this.#end();
  }

  /** Nothing can be stored any more. */
  #isOver() {
    const isLost = this.#isFreed && this.#isDirty;
    return isLost || (this.#problem !== null && !mayPass(this.#problem));
  }

  #hasUnsaved() {
    return this.#isDirty || this.#collected.length > 0;
  }

  /** The page may end now, in the middle of a write. */
  #leave() {
    if (this.#isClosed || this.#isOver() || !this.#hasUnsaved()) return;
    if (this.#isAlive()) this.#collect();
    try {
      this.#takeBehind();
      this.#takeAway = this.#storage.leaveBehind?.(this.#name, this.#collected) ?? null;
    } catch (error) {
      this.#fail(storageError(error));
    }
    this.#write();
  }

  #collect() {
    if (!this.#isDirty || this.#isFreed) return;
    this.#collected.push(this.#document.encodeSince(this.#collectedTo));
    this.#collectedTo = this.#document.version();
    this.#isDirty = false;
  }

  /** Writes what there is, and what comes meanwhile. */
  #write() {
    clearTimeout(this.#gatherTimer);
    this.#gatherTimer = null;
    if (!this.#canWrite() || !this.#hasUnsaved()) return;
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = null;
      if (this.#isClosed) return;
      if (this.#hasUnsaved()) this.#plan();
      else if (!this.#isFreed) this.#planCompaction();
      this.#tell();
      if (this.#isFreed && !this.#hasUnsaved()) this.#end();
    });
  }

  async #writeAll() {
    try {
      while (this.#hasUnsaved() && !this.#isClosed && !this.#isOver()) {
        this.#collect();
        const [updates, version] = [[...this.#collected], this.#collectedTo];
        const mark = await this.#answer(this.#storage.append(this.#name, updates, this.#mark));
        if (mark === null) {
          if (await this.#storeAgain()) continue;
          return;
        }
        this.#mark = mark;
        this.#stored(updates, version);
        this.#updates += 1;
        for (const update of updates) this.#bytes += update.length;
        this.#tabs.post({ updates });
        this.#askToPersist();
      }
    } catch (error) {
      await this.#couldNotWrite(storageError(error));
    }
  }

  /** What the storage answers to a write. It is a problem while that takes long. */
  async #answer(answer) {
    const isWritten = Promise.resolve(answer);
    inTime(isWritten).catch((error) => {
      // What else it says is the caller's to hear.
      if (error.code !== "storage_timeout" || this.#isClosed) return;
      this.#problem = error;
      this.#tell();
    });
    return isWritten;
  }

  #stored(updates, version) {
    this.#collected = this.#collected.filter((update) => !updates.includes(update));
    this.#saved = version;
    this.#works();
    if (!this.#hasUnsaved()) this.#takeBehind();
  }

  /** Takes away what was left behind. */
  #takeBehind() {
    const takeAway = this.#takeAway;
    this.#takeAway = null;
    if (typeof takeAway === "function") callListener(takeAway);
  }

  async #couldNotWrite(error) {
    // One file may take less space than many updates.
    if (error.code === "storage_full" && this.#updates > 1 && (await this.#compact(false))) return;
    if (this.#isClosed) return;
    if (this.#isAlive()) this.#collect();
    // The other tabs show it, even so, and may have more luck.
    this.#tabs.post({ updates: this.#collected, isUnsaved: true });
    if (!this.#isFreed) {
      this.#collected = [];
      this.#collectedTo = this.#saved;
      this.#isDirty = true;
    }
    this.#fail(error);
  }

  #askToPersist() {
    if (!this.#asksToPersist) return;
    this.#asksToPersist = false;
    if (!this.#storage.persist) return;
    const asked = new Promise((resolve) => resolve(this.#storage.persist()));
    asked.then(
      (persisted) => {
        this.#persisted = persisted;
        this.#tell();
      },
      () => {},
    );
  }

  // What is stored.

  /**
   * What is stored, as a document of a class, or of the class that a promise is for. Null where it cannot be
   * read, which is then the problem.
   */
  async #restore(Document, agent, onProgress) {
    let loaded;
    try {
      loaded = await this.#load();
    } catch (error) {
      this.#fail(storageError(error));
      return null;
    }
    try {
      return { ...(await restore(await Document, agent, loaded, onProgress)), loaded };
    } catch (error) {
      // All else is the caller's doing.
      if (error.code !== "storage_newer") throw error;
      this.#fail(error);
      return null;
    }
  }

  /**
   * What is stored. A storage that does not answer in time is a problem, but its answer is still waited for: it
   * may be slow.
   */
  #load() {
    this.#loading ??= Promise.resolve(this.#storage.load(this.#name)).finally(() => {
      this.#loading = null;
    });
    return inTime(this.#loading.then(asContent));
  }

  /** Reads what is stored, and makes that and the document the same. */
  #attach() {
    this.#reading ??= this.#attachOnce().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #attachOnce() {
    const before = this.#problem;
    this.#problem = null;
    const made = await this.#restore(this.#document.constructor);
    if (made === null || this.#isClosed) return;
    if (!this.#isAlive()) {
      // What was collected goes beside it.
      made.document.free();
      this.#mark = made.loaded.mark;
      this.#write();
      return;
    }
    try {
      this.#attached(made.loaded, this.#absorb(made.document), made.damage);
    } catch (error) {
      this.#problem = before;
      this.#fail(storageError(error));
    } finally {
      made.document.free();
    }
    this.#tell();
  }

  /** The storage was read: it has this version. */
  #attached({ mark, file, updates }, version, damage) {
    this.#mark = mark;
    this.#saved = this.#collectedTo = version;
    this.#collected = [];
    this.#isDirty = !this.#isStored();
    this.#updates = updates.length;
    this.#bytes = updates.reduce((sum, { length }) => sum + length, 0);
    this.#fileBytes = file?.length ?? 0;
    this.#damage = damage === null ? null : PROBLEMS.damaged(damage);
    this.#works();
    if (this.#isDirty) this.#plan();
    else this.#planCompaction();
  }

  /** Whether everything here is stored. */
  #isStored() {
    const document = this.#document;
    return ["equal", "before"].includes(document.compare(document.version(), this.#saved));
  }

  /** Merges a stored document, and returns its version. */
  #absorb(stored) {
    const version = stored.version();
    if (!holds(this.#document, version)) {
      this.#merge([stored.encodeSince(this.#document.version())], FROM_STORAGE);
    }
    return version;
  }

  /** Merges updates. Returns the first error of a damaged one, and one if what they build on is missing. */
  #merge(updates, origin) {
    // What was edited here before is not stored by them.
    this.#collect();
    let damage = null;
    let last = null;
    for (const update of updates) {
      const merged = mergeUpdate(this.#document, update, origin);
      damage ??= merged.damage;
      if (this.#isFreed) return { damage: null, missing: null };
      if (merged.report === null) continue;
      last = merged.report;
      if (merged.report.changes.length > 0) this.#emitter.emit("change", merged.report.changes);
    }
    // A listener may have edited.
    if (origin === FROM_STORAGE && !this.#isDirty) this.#collectedTo = this.#document.version();
    return { damage, missing: gap(last) };
  }

  /** Another tab wrote something, or something happened to the storage. */
  #hear({ updates, isUnsaved, problem, isGone }) {
    if (this.#isClosed) return;
    if (this.#document === null) {
      this.#early.push({ updates, isUnsaved, problem, isGone });
      return;
    }
    if (!this.#isAlive()) {
      if (this.#isClosed || problem === undefined) return;
      this.#fail(PROBLEMS[problem]());
      this.#tell();
      return;
    }
    if (isGone) {
      // The next write finds that, and stores all of it.
      if (this.#document.length > 0) this.#edited();
    } else if (problem !== undefined) {
      if (problem === "removed") this.#isDirty ||= this.#document.length > 0;
      this.#fail(PROBLEMS[problem]());
      this.#tell();
    } else {
      const { missing } = this.#merge(updates, isUnsaved ? undefined : FROM_STORAGE);
      // Nothing was stored when this page read it: it has to learn which content these updates belong to, to see
      // when that is gone.
      const isFirst = this.#mark === null && !isUnsaved;
      if (isFirst) this.#mark = undefined;
      if (isFirst || missing !== null) this.#readAgain();
    }
  }

  /** Merges what other tabs wrote and this page did not hear. */
  #readAgain() {
    if (this.#isClosed || this.#isOver() || this.#reading !== null) return;
    if (this.#mark === undefined) {
      void this.#attach();
      return;
    }
    this.#reading = this.#take()
      .catch((error) => this.#fail(storageError(error)))
      .finally(() => {
        this.#reading = null;
        this.#tell();
      });
  }

  /**
   * What was stored is gone, as happens where the browser needs the space: stores all of it. Returns whether
   * the storage can be used.
   */
  async #storeAgain() {
    for (;;) {
      const made = await this.#restore(this.#document.constructor);
      if (made === null || this.#isClosed) return false;
      if (!this.#isAlive()) {
        // They build on what is gone with the document.
        made.document.free();
        this.#fail(PROBLEMS.freedAndRemoved());
        return false;
      }
      const version = this.#absorb(made.document);
      made.document.free();
      if (made.loaded.mark !== null) {
        // Another tab was faster.
        this.#attached(made.loaded, version, made.damage);
        return true;
      }
      if (await this.#put(null)) return true;
    }
  }

  /** Puts the document as a file in the place of what `mark` stands for. */
  async #put(mark) {
    if (!this.#isAlive()) return false;
    this.#collect();
    const [updates, version] = [[...this.#collected], this.#collectedTo];
    const file = this.#document.save();
    const after = await this.#answer(this.#storage.replace(this.#name, file, mark));
    if (after === null) return false;
    this.#mark = after;
    this.#stored(updates, version);
    this.#updates = this.#bytes = 0;
    this.#fileBytes = file.length;
    return true;
  }

  #planCompaction() {
    const isLarge = this.#bytes >= Math.max(MANY_BYTES, SHARE_OF_FILE * this.#fileBytes);
    clearTimeout(this.#restTimer);
    if (this.#damage !== null || this.#compacting !== null || this.#updates === 0) return;
    const compact = () => whenIdle(() => void this.#compact(false));
    if (isLarge || this.#updates >= MANY_UPDATES) return compact();
    const rest = REST_MILLIS + (this.#fileBytes / REST_RATE) * 1000;
    this.#restTimer = setTimeout(compact, rest);
    keepsNothingRunning(this.#restTimer);
  }

  /** Has a file take the place of the updates. Returns whether it does. */
  #compact(isAsked) {
    if (this.#isClosed || this.#isFreed || this.#isOver()) return Promise.resolve(false);
    this.#compacting ??= this.#alone(() => this.#compactAlone(isAsked))
      .then(
        (isReplaced) => {
          if (this.#mark !== undefined && !this.#hasUnsaved() && !this.#isOver()) this.#works();
          return isReplaced === true;
        },
        (error) => {
          this.#fail(storageError(error));
          return false;
        },
      )
      .finally(() => {
        this.#compacting = null;
        this.#tell();
      });
    return this.#compacting;
  }

  /** Acts while no other tab does. Where the storage cannot tell, of two calls of `replace` only one succeeds. */
  async #alone(act) {
    if (!this.#storage.alone) return act();
    const answer = this.#storage.alone(this.#name, () => {
      const acted = act();
      // A storage that fails may not wait for it.
      acted.catch(() => {});
      return acted;
    });
    if (typeof answer?.then === "function") return answer;
    throw coded("storage_failed", "the storage's alone() has to return a promise");
  }

  async #compactAlone(isAsked) {
    const loaded = await this.#take();
    if (!isAsked && loaded?.updates.length === 0) {
      // Another tab was faster.
      this.#updates = this.#bytes = 0;
      return false;
    }
    // What cannot be read stays, unless it is given up.
    const mayReplace = loaded !== null && (this.#damage === null || isAsked);
    if (!mayReplace || !(await this.#put(loaded.mark))) return false;
    this.#damage = null;
    return true;
  }

  /** Reads what is stored, and merges what is not here. Returns what was read, null if that is nothing. */
  async #take() {
    const loaded = await this.#load();
    if (loaded.mark === null || !this.#isAlive()) return null;
    const opened = openFile(this.#document.constructor, undefined, loaded.file);
    if (opened.document !== null) {
      this.#absorb(opened.document);
      opened.document.free();
    }
    const { damage, missing } = this.#merge(loaded.updates, FROM_STORAGE);
    const first = opened.damage ?? loaded.damage ?? damage ?? missing;
    this.#damage = first === null ? null : PROBLEMS.damaged(first);
    return loaded;
  }

  // The status.

  #works() {
    this.#problem = null;
    this.#retry.reset();
  }

  #fail(error) {
    if (this.#isClosed) return;
    this.#problem = error;
    if (this.#isOver()) return;
    this.#retry.later(() => {
      if (this.#mark === undefined) void this.#attach();
      else if (this.#hasUnsaved()) this.#write();
      else void this.#compact(false);
      this.#tell();
    });
  }

  #tell() {
    if (this.#document === null || this.#isClosed) return;
    const { status } = this;
    const shown = JSON.stringify(status);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#emitter.emit("status", status);
  }

  #end() {
    this.#isClosed = true;
    if (this.#document !== null) delete this.#document[SAVING];
    this.#stopListening();
    this.#lifecycle?.stop();
    this.#tabs.leave();
    clearTimeout(this.#gatherTimer);
    clearTimeout(this.#restTimer);
    this.#retry.stop();
  }
}

/** The version of a document without edits. */
function emptyVersion(Document) {
  const empty = new Document();
  const version = empty.version();
  empty.free();
  return version;
}

/** The longest delay of a timer, in milliseconds. */
const LONGEST_MILLIS = 2 ** 31 - 1;

/** What a promise is fulfilled with, for a caller: Node runs until then. */
async function waitedFor(promise) {
  const timer = setTimeout(() => {}, LONGEST_MILLIS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** What a promise is fulfilled with, if that is soon enough. */
async function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, PATIENCE_SECONDS * 1000, PROBLEMS.timeout(PATIENCE_SECONDS));
    keepsNothingRunning(timer);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets Node end before a timer does. Browsers end whenever they like. */
function keepsNothingRunning(timer) {
  timer.unref?.();
}
