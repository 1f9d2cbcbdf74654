// The entry crdt-wasm/storage: documents that are kept on the device.

import { indexedDbStorage } from "./indexed_db.js";
import { badArgument, coded, storageError } from "./problems.js";
import { StoredDocument } from "./stored.js";

export { indexedDbStorage };

const OPTIONS = ["document", "Document", "agent", "storage", "persist", "onProgress"];

export async function openStored(name, options) {
  aName(name);
  const { document, Document, agent, storage, persist = true, onProgress } = someOptions(options);
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw badArgument("onProgress", "a function", onProgress);
  }
  const kept = storage ?? indexedDbStorage();
  for (const call of ["load", "append", "replace", "remove"]) {
    if (typeof kept[call] !== "function") throw badArgument(`storage.${call}`, "a function", kept[call]);
  }
  if (document !== undefined && document !== null && typeof document.encodeSince !== "function") {
    throw badArgument("document", "a Document", document);
  }
  if (Document !== undefined && typeof Document !== "function" && typeof Document?.then !== "function") {
    throw badArgument("Document", "the class, or a promise of it", Document);
  }
  return new StoredDocument(kept, name, { asksToPersist: persist }).open({
    Document: document?.constructor ?? Document ?? packageDocument(),
    document: document ?? null,
    agent,
    onProgress,
  });
}

export async function listStored(options) {
  const { storage = indexedDbStorage() } = someOptions(options);
  if (typeof storage.list !== "function") throw badArgument("storage.list", "a function", storage.list);
  return await coding(() => storage.list());
}

export async function removeStored(name, options) {
  aName(name);
  const { storage = indexedDbStorage() } = someOptions(options);
  if (typeof storage.remove !== "function") throw badArgument("storage.remove", "a function", storage.remove);
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
  return name;
}

function someOptions(options) {
  if (options === undefined || options === null) return {};
  if (typeof options !== "object") throw badArgument("options", "an object", options);
  for (const option of Object.keys(options)) {
    if (OPTIONS.includes(option)) continue;
    throw coded("bad_argument", `there is no option ${option}: there are ${OPTIONS.join(", ")}`);
  }
  return options;
}
