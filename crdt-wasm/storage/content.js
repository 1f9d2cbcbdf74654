// What a storage has of a document, and the document.

import { callListener } from "./emitter.js";
import { coded, PROBLEMS } from "./problems.js";

/** For so long, in milliseconds, updates are merged before the page gets a turn. */
const SLICE_MILLIS = 12;

/** What a storage has of a document that it does not know. */
const NOTHING = { file: null, updates: [], mark: null };

/** What a storage gave out, if it has the form of `StoredContent`. */
export function asContent(loaded) {
  if (loaded === null || loaded === undefined) return NOTHING;
  const { file, updates, mark } = loaded;
  const isContent = (file === null || isBytes(file)) && Array.isArray(updates) && updates.every(isBytes);
  if (isContent && mark !== null && mark !== undefined) return loaded;
  throw coded("storage_failed", "the storage's load() has to give { file, updates, mark }, or null");
}

function isBytes(value) {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

/**
 * The document that a storage has: its file opened, and the updates merged.
 *
 * What is damaged is passed over. `damage` is the first error of such a part, or null.
 *
 * @throws {CrdtError} `storage_newer` where a part was written by a newer version
 */
export async function restore(Document, agent, { file, updates, damage: lost }, onProgress = () => {}) {
  const total = updates.length + 1;
  const report = (done) => callListener(onProgress, { done, total });
  report(0);
  const opened = openFile(Document, agent, file);
  let damage = opened.damage ?? lost ?? null;
  let last = null;
  const isNew = file === null && updates.length === 0;
  const document = opened.document ?? new Document(isNew ? agent : withoutText(agent));
  try {
    let turn = performance.now();
    for (const [index, update] of updates.entries()) {
      const merged = mergeUpdate(document, update);
      damage ??= merged.damage;
      last = merged.report ?? last;
      if (performance.now() - turn > SLICE_MILLIS) {
        report(index + 1);
        await new Promise((resolve) => setTimeout(resolve));
        turn = performance.now();
      }
    }
  } catch (error) {
    document.free();
    throw error;
  }
  report(total);
  return { document, damage: damage ?? gap(last) };
}

/** An error, if what the last merge left waits for changes that are not there. */
export function gap(report) {
  const isWhole = report === null || report.missing.length === 0;
  return isWhole ? null : new Error("changes that others build on are missing");
}

/** What is there has begun with the initial text, or without. */
function withoutText(agent) {
  if (agent === undefined) return agent;
  const { initialText, ...replica } = agent;
  return replica;
}

/** Opens a file, if there is one. Returns the document, or the error if the file is damaged. */
export function openFile(Document, agent, file) {
  try {
    const document = file === null ? null : Document.open(file, agent);
    return { document, damage: null };
  } catch (error) {
    return { document: null, damage: damageOf(error) };
  }
}

/** Merges an update. Returns the report, or the error if the update is damaged; the other one is null. */
export function mergeUpdate(document, update, origin) {
  try {
    return { report: document.merge(update, origin), damage: null };
  } catch (error) {
    return { report: null, damage: damageOf(error) };
  }
}

/** Whether a document has all that a version has. */
export function holds(document, version) {
  return ["equal", "before"].includes(document.compare(version, document.version()));
}

/** The error, if the bytes are the reason for it; others are thrown. */
function damageOf(error) {
  if (error.code === "unknown_format_version") throw PROBLEMS.newer(error);
  if (typeof error.code !== "string" || OTHER_REASONS.has(error.code)) throw error;
  return error;
}

/** The codes of errors of which the bytes are not the reason. */
const OTHER_REASONS = new Set([
  "agent_in_use",
  "bad_agent_name",
  "bad_argument",
  "dead_handle",
  "destroyed",
  "document_busy",
  "not_loaded",
  "out_of_memory",
]);
