// The entry crdt-wasm/storage: documents that are kept on the device.

import { indexedDbStorage } from "./indexed_db.js";
import { badArgument, coded, someOptions, storageError, wellFormed } from "./problems.js";
import { StoredDocument } from "./stored.js";

export { indexedDbStorage };

const OPTIONS = ["document", "Document", "agent", "storage", "persist", "onProgress"];
/** What a storage must be able to do, and what it may. */
const CALLS = ["load", "append", "replace", "remove"];
const OPTIONAL_CALLS = ["list", "persist", "leaveBehind", "alone", "join"];
/** The methods of a document that is stored. */
const METHODS = ["compare", "encodeSince", "free", "merge", "on", "save", "version"];

export async function openStored(name, options) {
  aName(name);
  const { document, Document, agent, storage, persist = true, onProgress } = someOptions(options, OPTIONS);
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw badArgument("onProgress", "a function", onProgress);
  }
  const replica = aReplica(agent);
  const kept = aStorage(storage, CALLS);
  if (document !== undefined && document !== null && !(hasMethods(document) && isClass(document.constructor))) {
    throw badArgument("document", "a Document", document);
  }
  if (Document !== undefined && typeof Document?.then !== "function") aClass(Document);
  return new StoredDocument(kept, name, { asksToPersist: persist }).open({
    Document: document?.constructor ?? Promise.resolve(Document ?? packageDocument()).then(aClass),
    document: document ?? null,
    agent: replica,
    onProgress,
  });
}

export async function listStored(options) {
  const storage = aStorage(someOptions(options, OPTIONS).storage, ["list"]);
  return await coding(() => storage.list());
}

export async function removeStored(name, options) {
  aName(name);
  const storage = aStorage(someOptions(options, OPTIONS).storage, ["remove"]);
  await coding(() => storage.remove(name));
}

/** Acts. What a storage throws meanwhile gets a code. */
async function coding(act) {
  try {
    return await act();
  } catch (error) {
    throw storageError(error);
  }
}

/** The class of the package's main entry, which is loaded. */
async function packageDocument() {
  const { default: init, Document } = await import("crdt-wasm");
  await init();
  return Document;
}

function aName(name) {
  if (typeof name !== "string") throw badArgument("name", "a string", name);
  if (name === "") throw coded("bad_argument", "name has to have at least one character");
  return wellFormed("name", name);
}

/** The replica that an opening makes. Its id is its own: with one id in two tabs, edits of one would be lost. */
function aReplica(agent) {
  if (typeof agent === "string") return { name: agent };
  if (agent === undefined || agent === null) return undefined;
  if (typeof agent !== "object") throw badArgument("agent", "an object or a name", agent);
  if (agent.agentId === undefined) return agent;
  throw coded(
    "bad_argument",
    "agent.agentId cannot be given: each opening of a stored document makes an id of its own; give agent.name",
  );
}

/** The storage, by default the browser's database, if it has these functions. */
function aStorage(storage, calls) {
  const kept = storage ?? indexedDbStorage();
  const wrong = [...calls, ...OPTIONAL_CALLS].find((call) => {
    const isLeftOut = !calls.includes(call) && (kept[call] ?? null) === null;
    return !isLeftOut && typeof kept[call] !== "function";
  });
  if (wrong !== undefined) throw badArgument(`storage.${wrong}`, "a function", kept[wrong]);
  return kept;
}

function aClass(Document) {
  if (isClass(Document)) return Document;
  throw badArgument("Document", "the class Document of an entry of crdt-wasm, or a promise of it", Document);
}

function isClass(Document) {
  return typeof Document === "function" && typeof Document.open === "function" && hasMethods(Document.prototype);
}

function hasMethods(document) {
  return METHODS.every((method) => typeof document?.[method] === "function");
}
