// Storages for the tests, and how they wait.
import { crdt } from './package.mjs';

export const storage = await import('../../pkg/storage/index.js');
export const { fileStorage } = await import('../../pkg/storage/node.js');

const { Document } = crdt;

/** Opens a stored document of the package's own class. */
export const open = (name, options) => storage.openStored(name, { Document, ...options });

export const error = (code) => Object.assign(new Error(code), { name: 'CrdtError', code });

/** A storage in memory, with several who have it open, and faults. */
export class MemoryStorage {
  documents = new Map();
  #joined = new Set();
  #locked = new Set();
  #births = 0;
  /** What each call throws in place of doing something, or null. */
  fault = null;
  /** Called before each call does something. */
  pause = async () => {};
  calls = [];

  async load(name) {
    await this.#enter('load');
    const document = this.documents.get(name);
    if (document === undefined) return null;
    const { birth, generation, file, updates } = document;
    return {
      file,
      updates: updates.flatMap(([, some]) => some),
      mark: { birth, generation, last: updates.at(-1)?.[0] ?? 0 },
    };
  }

  async append(name, updates, mark) {
    await this.#enter('append');
    const document = this.documents.get(name) ?? (mark === null ? this.#create(name) : undefined);
    if (document === undefined || (mark !== null && mark.birth !== document.birth)) return null;
    document.last += 1;
    document.updates.push([document.last, updates]);
    return mark ?? { birth: document.birth, generation: document.generation, last: 0 };
  }

  async replace(name, file, mark) {
    await this.#enter('replace');
    const found = this.documents.get(name);
    if (found?.birth !== mark?.birth || found?.generation !== mark?.generation) return null;
    const document = found ?? this.#create(name);
    document.file = file;
    document.generation += 1;
    document.updates = document.updates.filter(([number]) => number > (mark?.last ?? 0));
    return { birth: document.birth, generation: document.generation, last: mark?.last ?? 0 };
  }

  async remove(name) {
    this.#tell(null, name, { problem: 'removed' });
    this.documents.delete(name);
  }

  async list() {
    return [...this.documents.keys()].map((name) => ({ name, bytes: 0, changed: 0 }));
  }

  join(name, receive) {
    const member = { name, receive };
    this.#joined.add(member);
    return {
      post: (message) => this.#tell(member, name, structuredClone(message)),
      leave: () => this.#joined.delete(member),
    };
  }

  async alone(name, act) {
    if (this.#locked.has(name)) return undefined;
    this.#locked.add(name);
    try {
      return await act();
    } finally {
      this.#locked.delete(name);
    }
  }

  /** The same storage for a program of its own, that can be killed: then nothing it does arrives any more. */
  program() {
    let isDead = false;
    const leaves = new Set();
    const never = new Promise(() => {});
    const alive = async (act) => {
      if (isDead) return never;
      const result = await act();
      return isDead ? never : result;
    };
    const storage = {
      join: (name, receive) => {
        const joined = this.join(name, receive);
        leaves.add(joined.leave);
        return { ...joined, post: (message) => isDead || joined.post(message) };
      },
      alone: (name, act) =>
        this.alone(name, () => Promise.race([act(), new Promise((resolve) => leaves.add(resolve))])),
    };
    for (const call of ['load', 'append', 'replace', 'remove']) {
      storage[call] = (...given) => alive(() => this[call](...given));
    }
    const kill = () => {
      isDead = true;
      for (const leave of leaves) leave();
    };
    return { storage, kill };
  }

  #create(name) {
    this.#births += 1;
    const document = { birth: this.#births, generation: 0, file: null, updates: [], last: 0 };
    this.documents.set(name, document);
    return document;
  }

  #tell(from, name, message) {
    for (const member of this.#joined) {
      if (member !== from && member.name === name) queueMicrotask(() => member.receive(message));
    }
  }

  async #enter(call) {
    this.calls.push(call);
    await this.pause(call);
    if (this.fault !== null) throw this.fault;
  }
}

/** Waits until something holds. */
export async function until(holds) {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** What somebody who opens the document now finds. */
export async function textIn(kept, name) {
  const opened = await open(name, { storage: kept });
  const text = opened.document.getText();
  await opened.close();
  opened.document.free();
  return text;
}

/** Numbers that a seed repeats: from 0 to below 1. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
