// The entry crdt-wasm/storage/node: documents in a folder of files.
//
// A document has a folder of its own:
//
//   name                 its name
//   GENERATION.crdt      its file; of several the one of the highest generation counts
//   SESSION.log          updates that one program appended since it opened the document
//   SESSION.log.old      one that a file has taken the place of, but for its end
//
// No file is ever changed but by appending to a log, which has one writer. So a program that ends at any
// moment leaves everything whole but for the end of its log, and several programs may have one document open.

import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";

import { badArgument, wellFormed } from "./problems.js";
import { joinTabs } from "./tabs.js";

/** How many characters of a document's name its folder shows. */
const SHOWN = 40;
/** Before each update: its length and its checksum. */
const FRAME_BYTES = 8;

export function fileStorage(folder) {
  if (typeof folder !== "string" || folder === "") throw badArgument("folder", "the path of a folder", folder);
  return new FileStorage(path.resolve(wellFormed("folder", folder)));
}

class FileStorage {
  #folder;
  /** The logs that this program writes, by the document's name. */
  #logs = new Map();
  /** What is being appended, by the document's name. */
  #turns = new Map();

  constructor(folder) {
    this.#folder = folder;
  }

  async load(name) {
    const folder = this.#folderOf(name);
    for (;;) {
      try {
        return await loadFrom(folder);
      } catch (error) {
        // A file was replaced between listing and reading.
        if (error.code !== "ENOENT") throw error;
        if (!(await exists(path.join(folder, "name")))) return null;
      }
    }
  }

  append(name, updates, mark) {
    return this.#inTurn(name, () => this.#append(name, updates, mark));
  }

  async replace(name, file, mark) {
    const folder = this.#folderOf(name);
    if (mark === null) await create(folder, name);
    const before = mark?.generation ?? 0;
    if ((await generationIn(folder)) !== before) return null;
    const generation = before + 1;
    if (!(await createFile(folder, `${generation}.crdt`, file))) return null;
    await tidy(folder, generation);
    const logs = {};
    for (const [log, length] of Object.entries(mark?.logs ?? {})) {
      Object.assign(logs, await retire(folder, log, length));
    }
    return { generation, logs };
  }

  /** Joins those in this program who have a document open. */
  join(name, receive) {
    return joinTabs(this.#folder, name, receive);
  }

  async remove(name) {
    // They stop writing, and say so.
    const others = this.join(name, () => {});
    others?.post({ problem: "removed" });
    others?.leave();
    this.#logs.delete(name);
    const folder = this.#folderOf(name);
    const removed = `${folder}.${randomBytes(4).toString("hex")}.removed`;
    try {
      await rename(folder, removed);
    } catch (error) {
      if (error.code === "ENOENT") return;
      throw error;
    }
    await sync(this.#folder);
    await rm(removed, { recursive: true, force: true });
  }

  async list() {
    const documents = [];
    for (const entry of await filesIn(this.#folder)) {
      if (entry.endsWith(".removed")) continue;
      const folder = path.join(this.#folder, entry);
      try {
        const name = await readFile(path.join(folder, "name"), "utf8");
        const files = (await filesIn(folder)).filter((file) => isFile(file) || isLog(file));
        const stats = await Promise.all(files.map((file) => stat(path.join(folder, file))));
        const bytes = stats.reduce((sum, { size }) => sum + size, 0);
        const changed = Math.max(0, ...stats.map(({ mtimeMs }) => mtimeMs));
        documents.push({ name, bytes, changed });
      } catch (error) {
        // It is being created, replaced or removed.
        if (!["ENOENT", "ENOTDIR", "EISDIR"].includes(error.code)) throw error;
      }
    }
    return documents;
  }

  async #append(name, updates, mark) {
    const folder = this.#folderOf(name);
    if (mark === null) await create(folder, name);
    const bytes = Buffer.concat(updates.map(framed));
    try {
      for (;;) {
        if (!(await exists(path.join(folder, "name")))) break;
        let log = this.#logs.get(name);
        const isNew = log === undefined;
        if (isNew) {
          // Those that were begun first are loaded first.
          const begun = Date.now().toString().padStart(15, "0");
          log = path.join(folder, `${begun}-${randomBytes(4).toString("hex")}.log`);
          this.#logs.set(name, log);
        }
        if (await appendTo(log, isNew, bytes)) return mark ?? { generation: 0, logs: {} };
        // A file has taken the place of the log, maybe without these.
        this.#logs.delete(name);
      }
    } catch (error) {
      // What was written of them ends the log.
      this.#logs.delete(name);
      throw error;
    }
    this.#logs.delete(name);
    return null;
  }

  /** Acts when what was begun before for a document is done. */
  #inTurn(name, act) {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(act);
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#turns.set(name, settled);
    void settled.then(() => {
      if (this.#turns.get(name) === settled) this.#turns.delete(name);
    });
    return turn;
  }

  #folderOf(name) {
    const shown = name.replace(/[^\w-]+/g, "_").slice(0, SHOWN);
    const hash = createHash("sha256").update(name).digest("hex").slice(0, 32);
    return path.join(this.#folder, `${shown}-${hash}`);
  }
}

const isFile = (file) => /^\d+\.crdt$/.test(file);
const isLog = (file) => /\.log(\.old)?$/.test(file);

async function loadFrom(folder) {
  const files = await filesIn(folder);
  if (!files.includes("name")) return null;
  const generation = latest(files);
  const file = generation === 0 ? null : await readFile(path.join(folder, `${generation}.crdt`));
  const logs = {};
  const updates = [];
  const damaged = [];
  for (const log of files.filter(isLog).sort()) {
    const bytes = await readFile(path.join(folder, log));
    logs[log] = bytes.length;
    const found = unframed(bytes);
    updates.push(...found.updates);
    if (found.isDamaged) damaged.push(log);
  }
  const damage = damaged.length === 0 ? null : new Error(`there are bytes in ${damaged} that are no update`);
  return { file, updates, damage, mark: { generation, logs } };
}

async function filesIn(folder) {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw error;
  }
}

function latest(files) {
  return Math.max(0, ...files.filter(isFile).map((file) => Number.parseInt(file, 10)));
}

async function generationIn(folder) {
  return latest(await filesIn(folder));
}

async function create(folder, name) {
  await mkdir(folder, { recursive: true });
  if (await exists(path.join(folder, "name"))) return;
  await createFile(folder, "name", name);
  await sync(path.dirname(folder));
}

/** Creates a file as a whole or not at all. Returns whether there was none of that name. */
async function createFile(folder, name, content) {
  const draft = path.join(folder, `${randomBytes(8).toString("hex")}.draft`);
  try {
    const file = await open(draft, "wx");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike renaming, this never replaces a file.
    await link(draft, path.join(folder, name));
    await sync(folder);
    return true;
  } catch (error) {
    if (error.code === "EEXIST" || error.code === "ENOENT") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes the files of older generations, and drafts of programs that ended while they wrote them. */
async function tidy(folder, generation) {
  for (const file of await filesIn(folder)) {
    const full = path.join(folder, file);
    const isOlder = isFile(file) && Number.parseInt(file, 10) < generation;
    const isDraft = file.endsWith(".draft") && (await ageOf(full)) > DRAFT_MILLIS;
    if (isOlder || isDraft) await rm(full, { force: true });
  }
}

/** A draft that is older was given up. */
const DRAFT_MILLIS = 3_600_000;

/** How long ago a file was written, in milliseconds; 0 for one that is not there any more. */
async function ageOf(file) {
  const found = await stat(file).catch(() => null);
  return found === null ? 0 : Date.now() - found.mtimeMs;
}

/** Appends to a log, on the disk. Returns whether the log is still in use after that. */
async function appendTo(log, isNew, bytes) {
  let file;
  try {
    const { O_APPEND, O_CREAT, O_EXCL, O_WRONLY } = constants;
    file = await open(log, O_APPEND | O_WRONLY | (isNew ? O_CREAT | O_EXCL : 0));
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
  try {
    const { ino } = await file.stat();
    await file.writeFile(bytes);
    await file.datasync();
    if (isNew) await sync(path.dirname(log));
    const now = await stat(log).catch(() => null);
    return now !== null && now.ino === ino;
  } finally {
    await file.close();
  }
}

/** A file has the first `length` bytes of a log. Returns what is left of it, as a mark has it. */
async function retire(folder, log, length) {
  const old = log.endsWith(".old") ? log : `${log}.old`;
  try {
    // Its writer sees that, and writes what it appends after this once more.
    await rename(path.join(folder, log), path.join(folder, old));
    const { size } = await stat(path.join(folder, old));
    if (size > length) return { [old]: length };
    await rm(path.join(folder, old));
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  return {};
}

function framed(update) {
  const frame = Buffer.alloc(FRAME_BYTES + update.length);
  frame.writeUInt32LE(update.length, 0);
  checksum(update).copy(frame, 4);
  frame.set(update, FRAME_BYTES);
  return frame;
}

function checksum(update) {
  return createHash("sha256").update(update).digest().subarray(0, FRAME_BYTES - 4);
}

/** The updates in a log, and whether there is more in it than them and the beginning of one that broke off. */
function unframed(bytes) {
  const updates = [];
  let isDamaged = false;
  /** Where the bytes begin that are no update; those of one that broke off go to the end. */
  let lost = null;
  for (let at = 0; at < bytes.length; ) {
    const update = updateAt(bytes, at);
    if (update === null) {
      lost ??= at;
      at += 1;
      continue;
    }
    isDamaged ||= lost !== null;
    lost = null;
    updates.push(update);
    at += FRAME_BYTES + update.length;
  }
  if (lost !== null && !isBrokenOff(bytes, lost)) isDamaged = true;
  return { updates, isDamaged };
}

/** The update whose frame begins at a place; null if none does. */
function updateAt(bytes, at) {
  if (at + FRAME_BYTES > bytes.length) return null;
  const length = bytes.readUInt32LE(at);
  const update = bytes.subarray(at + FRAME_BYTES, at + FRAME_BYTES + length);
  if (length === 0 || update.length < length) return null;
  return checksum(update).equals(bytes.subarray(at + 4, at + FRAME_BYTES)) ? update : null;
}

/** Whether the last frame is one of which the end was never written. */
function isBrokenOff(bytes, at) {
  return at + FRAME_BYTES > bytes.length || at + FRAME_BYTES + bytes.readUInt32LE(at) > bytes.length;
}

async function exists(file) {
  return stat(file).then(
    () => true,
    (error) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );
}

/** Has what was created, renamed or removed in a folder be on the disk. Some systems do so by themselves. */
async function sync(folder) {
  let opened;
  try {
    opened = await open(folder, "r");
    await opened.sync();
  } catch (error) {
    if (!["EISDIR", "EPERM", "EINVAL", "EACCES"].includes(error.code)) throw error;
  } finally {
    await opened?.close();
  }
}
