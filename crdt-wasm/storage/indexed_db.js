// Documents in IndexedDB.
//
// The database has three stores: `documents`, what is known of each, by name; `files`, the bytes of each
// one's file, by name; `updates`, lists of updates, by name and number.

import { openDB } from "idb";
import { badArgument, PROBLEMS, someOptions, storageError } from "./problems.js";
import { leaveBehind, leftBehind } from "./rescue.js";
import { aloneAmongTabs, joinTabs } from "./tabs.js";

const VERSION = 1;
const STORES = ["documents", "files", "updates"];
/** How long the database may take to answer before that counts as a failure, in seconds. */
const PATIENCE_SECONDS = 5;
/** How many connections one transaction may use up. */
const ATTEMPTS = 5;
/** How browsers name the error of a connection that they close, at whatever moment. */
const INTERRUPTED = new Set(["AbortError", "InvalidStateError", "UnknownError"]);

export function indexedDbStorage(options) {
  const { database = "crdt-wasm" } = someOptions(options, ["database"]);
  if (typeof database !== "string") throw badArgument("database", "a string", database);
  let storage = storages.get(database);
  if (storage === undefined) {
    storage = new IndexedDbStorage(database);
    storages.set(database, storage);
  }
  return storage;
}

/** One connection to each database is enough for a page. */
const storages = new Map();

class IndexedDbStorage {
  #database;
  /** The connection, or the attempt to get one. */
  #opening = null;
  /** The last connection that was opened; null once the browser closed it. */
  #connection = null;
  /** Why the last attempt has not succeeded yet. */
  #waitsFor = null;
  #isTakenOver = false;
  /** Those who have a document open here. */
  #receivers = new Set();

  constructor(database) {
    this.#database = database;
  }

  async load(name) {
    for (const { updates, takeAway } of leftBehind(this.#database, name)) {
      if (updates.length > 0) await this.append(name, updates, null);
      takeAway();
    }
    return this.#load(name);
  }

  #load(name) {
    return this.#transact("readonly", {}, async ({ documents, files, updates }) => {
      const [document, file, keys, stored] = await Promise.all([
        documents.get(name),
        files.get(name),
        updates.getAllKeys(allOf(name)),
        updates.getAll(allOf(name)),
      ]);
      if (document === undefined) return null;
      const last = keys.length === 0 ? 0 : keys.at(-1)[1];
      const mark = { birth: document.birth, generation: document.generation, last };
      return { file: file ?? null, updates: stored.flat(), mark };
    });
  }

  append(name, patches, mark) {
    return this.#transact("readwrite", { durability: "relaxed" }, async ({ documents, updates }) => {
      const found = await documents.get(name);
      const isIt = mark === null || found?.birth === mark.birth;
      if (!isIt) return null;
      const document = found ?? newborn(name);
      const last = await updates.openKeyCursor(allOf(name), "prev");
      const number = last === null ? 1 : last.key[1] + 1;
      const bytes = document.bytes + byteLength(patches);
      await Promise.all([
        documents.put({ ...document, bytes, changed: Date.now() }),
        updates.add(patches, [name, number]),
      ]);
      return mark ?? { birth: document.birth, generation: document.generation, last: 0 };
    });
  }

  replace(name, file, mark) {
    const durability = "strict";
    return this.#transact("readwrite", { durability }, async ({ documents, files, updates }) => {
      const found = await documents.get(name);
      const isIt = found?.birth === mark?.birth && found?.generation === mark?.generation;
      if (!isIt) return null;
      const document = found ?? newborn(name);
      const last = mark?.last ?? 0;
      // What was appended since the file was made stays.
      const rest = await updates.getAll(IDBKeyRange.bound([name, last], [name, []], true));
      const bytes = file.length + byteLength(rest.flat());
      const generation = document.generation + 1;
      await Promise.all([
        documents.put({ ...document, generation, bytes, changed: Date.now() }),
        files.put(file, name),
        updates.delete(IDBKeyRange.bound([name], [name, last])),
      ]);
      return { birth: document.birth, generation, last };
    });
  }

  async remove(name) {
    // Those who have it open stop writing, and say so.
    const tabs = joinTabs(this.#database, name, () => {});
    tabs?.post({ problem: "removed" });
    tabs?.leave();
    for (const { takeAway } of leftBehind(this.#database, name)) takeAway();
    const durability = "strict";
    await this.#transact("readwrite", { durability }, ({ documents, files, updates }) =>
      Promise.all([documents.delete(name), files.delete(name), updates.delete(allOf(name))]),
    );
  }

  async list() {
    const all = await this.#transact("readonly", {}, ({ documents }) => documents.getAll());
    return all.map(({ name, bytes, changed }) => ({ name, bytes, changed }));
  }

  /** Asks the browser to keep what is stored when it needs space. */
  async persist() {
    const { storage } = globalThis.navigator ?? {};
    if (storage?.persist === undefined) return false;
    return (await storage.persisted()) || storage.persist();
  }

  leaveBehind(name, updates) {
    return leaveBehind(this.#database, name, updates);
  }

  join(name, receive) {
    const tabs = joinTabs(this.#database, name, receive);
    this.#receivers.add(receive);
    return {
      post: (message) => tabs?.post(message),
      leave: () => {
        this.#receivers.delete(receive);
        tabs?.leave();
      },
    };
  }

  alone(name, act) {
    return aloneAmongTabs(this.#database, name, act);
  }

  /**
   * Acts on the stores in one transaction, and returns what `act` does once it is done. The browser may close a
   * connection at any time, for example when it clears the site's data: an interrupted transaction changed
   * nothing, and runs again on a new connection.
   */
  async #transact(mode, options, act) {
    for (let attempt = 1; ; attempt++) {
      let database = null;
      try {
        database = await this.#open();
        return await transact(database, mode, options, act);
      } catch (error) {
        if (attempt === ATTEMPTS || !INTERRUPTED.has((error.cause ?? error).name)) throw error;
        // The event `close`, which says so, may come later than the error, or never.
        database?.close();
        this.#closed(database);
      }
    }
  }

  /** The connection. An attempt that takes long is not given up, and the next call waits for it again. */
  #open() {
    if (this.#isTakenOver) throw PROBLEMS.takenOver();
    if (typeof indexedDB === "undefined") throw PROBLEMS.noIndexedDb();
    this.#opening ??= this.#connect().catch((error) => {
      this.#opening = null;
      throw isDenied(error) ? PROBLEMS.unavailable() : storageError(error);
    });
    return Promise.race([this.#opening, this.#patience()]);
  }

  /** Rejects when another tab blocks the database, or nothing comes of it. */
  #patience() {
    return new Promise((_, reject) => {
      const giveUp = (error) => reject(error);
      const timer = setTimeout(giveUp, PATIENCE_SECONDS * 1000, PROBLEMS.timeout(PATIENCE_SECONDS));
      const done = () => clearTimeout(timer);
      this.#opening.then(done, done);
      this.#waitsFor?.then(() => giveUp(PROBLEMS.blocked()));
    });
  }

  async #connect() {
    let blocked;
    this.#waitsFor = new Promise((resolve) => {
      blocked = resolve;
    });
    const database = await openDB(this.#database, VERSION, {
      upgrade(database, _before, _after, transaction) {
        // `openDB` fails with it.
        transaction.done.catch(() => {});
        for (const store of STORES) {
          database.createObjectStore(store, store === "documents" ? { keyPath: "name" } : undefined);
        }
      },
      blocked,
      blocking: (_version, newer) => {
        database.close();
        // Somebody deletes the database.
        if (newer === null) return this.#gone(database);
        this.#isTakenOver = true;
        for (const receive of this.#receivers) receive({ problem: "takenOver" });
      },
      terminated: () => this.#gone(database),
    });
    this.#waitsFor = null;
    this.#connection = database;
    return database;
  }

  /** What was stored is gone, or will be in a moment. */
  #gone(database) {
    this.#closed(database);
    for (const receive of this.#receivers) receive({ isGone: true });
  }

  /** The browser closed a connection: the next call opens another one. */
  #closed(database) {
    if (this.#connection !== database) return;
    this.#connection = null;
    this.#opening = null;
  }
}

async function transact(database, mode, options, act) {
  const transaction = database.transaction(STORES, mode, options);
  const { done } = transaction;
  // It is awaited below, unless something else fails first.
  done.catch(() => {});
  const store = (name) => transaction.objectStore(name);
  try {
    const result = await act(Object.fromEntries(STORES.map((name) => [name, store(name)])));
    await done;
    return result;
  } catch (error) {
    try {
      transaction.abort();
    } catch {
      // It has ended already; then it knows why.
    }
    throw transaction.error ?? error;
  }
}

/** The keys of all updates of a document. */
function allOf(name) {
  // Every array comes after every number.
  return IDBKeyRange.bound([name], [name, []]);
}

/** A document that is not stored yet. Its birth tells it from another one of the same name. */
function newborn(name) {
  const birth = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  return { name, birth, generation: 0, bytes: 0 };
}

function byteLength(updates) {
  return updates.reduce((sum, { length }) => sum + length, 0);
}

/** Private windows of some browsers have an `indexedDB` that refuses everything. */
function isDenied(error) {
  return error.name === "InvalidStateError" || error.name === "SecurityError";
}
