// What can go wrong with a storage, in words that say what to do.

/** Whether waiting may repair it: these are tried again. The others last as long as the page. */
const MAY_PASS = new Set(["storage_full", "storage_blocked", "storage_timeout", "storage_failed"]);

/** An error of this package. */
export function coded(code, message, cause) {
  const error = new Error(message, cause === undefined ? undefined : { cause });
  return Object.assign(error, { name: "CrdtError", code });
}

export function badArgument(name, expected, value) {
  const got = value === null ? "null" : typeof value;
  return coded("bad_argument", `${name} has to be ${expected}, not ${got}`);
}

export function someOptions(options, known) {
  if (options === undefined || options === null) return {};
  if (typeof options !== "object") throw badArgument("options", "an object", options);
  for (const option of Object.keys(options)) {
    if (known.includes(option)) continue;
    throw coded("bad_argument", `there is no option ${option}: there are ${known.join(", ")}`);
  }
  return options;
}

/** The text, unless it has half of a surrogate pair: UTF-8 makes one text of those that differ in that alone. */
export function wellFormed(name, text) {
  if (!/\p{Surrogate}/u.test(text)) return text;
  throw coded("bad_argument", `${name} has to be well-formed text: this one has half of a surrogate pair`);
}

/** Whether it is worth trying again later. */
export function mayPass(error) {
  return MAY_PASS.has(error.code);
}

/** What a storage threw, as an error with a code. */
export function storageError(error) {
  if (typeof error?.code === "string" && error.code.startsWith("storage_")) return error;
  const of = WORDS[error?.name] ?? WORDS[error?.code];
  if (of !== undefined) return coded(...of, error);
  return coded("storage_failed", `the storage failed: ${error?.message ?? error}`, error);
}

const FULL = [
  "storage_full",
  "there is no space left to save in: what is not saved is only in memory until some is freed",
];

const DENIED = [
  "storage_unavailable",
  "nothing can be saved here: the browser does not let this page store data, as in some private windows",
];

const NO_INDEXED_DB = [
  "storage_unavailable",
  "nothing can be saved here: there is no IndexedDB; in Node, give `storage: fileStorage(folder)` of crdt-wasm/storage/node",
];

const NOT_WRITABLE = [
  "storage_failed",
  "the folder of the stored documents cannot be used: check that it is a folder, and that this program may write there",
];

/** By the name that browsers give to an error, or its code in Node. */
const WORDS = {
  QuotaExceededError: FULL,
  ENOSPC: FULL,
  EDQUOT: FULL,
  EACCES: NOT_WRITABLE,
  EPERM: NOT_WRITABLE,
  EROFS: NOT_WRITABLE,
  ENOTDIR: NOT_WRITABLE,
  SecurityError: DENIED,
  NotAllowedError: DENIED,
  VersionError: [
    "storage_newer",
    "what is stored here was written by a newer version of this program: reload the page",
  ],
};

export const PROBLEMS = {
  unavailable: () => coded(...DENIED),
  noIndexedDb: () => coded(...NO_INDEXED_DB),
  blocked: () =>
    coded(
      "storage_blocked",
      "another tab with an older version of this page keeps the storage busy: close or reload that tab",
    ),
  timeout: (seconds) =>
    coded("storage_timeout", `the storage has not answered for ${seconds} s`),
  takenOver: () =>
    coded(
      "storage_newer",
      "a newer version of this page in another tab has taken over the storage: reload this page",
    ),
  newer: (cause) =>
    coded(
      "storage_newer",
      "what is stored here was written by a newer version of this program: reload the page",
      cause,
    ),
  damaged: (cause) =>
    coded(
      "storage_damaged",
      `a part of what is stored here is damaged and was passed over: ${cause.message}`,
      cause,
    ),
  removed: () =>
    coded(
      "storage_removed",
      "the stored document was deleted while it was open here: the text is only in this page",
    ),
  freed: () =>
    coded("storage_failed", "the document was freed before its last edits were stored: they are lost"),
  freedAndRemoved: () =>
    coded(
      "storage_removed",
      "the stored document was deleted, and the document freed, before the last edits were stored: they are lost",
    ),
  closed: () => coded("destroyed", "this stored document was closed"),
};
