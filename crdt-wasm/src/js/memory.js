// What the other files of this folder share: the functions of the module (`exports/` in Rust), which take
// and return plain numbers, text and bytes that go in and out by its memory, and errors.
//
// Text goes in as UTF-8 by the input buffer, a piece of that memory.

const NOT_LOADED =
  "crdt-wasm is not loaded: call and await the default export of the package (`init`) first";

/** Stands in for the functions of the module until it runs. */
export const notLoaded = new Proxy(
  {},
  {
    get() {
      throw coded("not_loaded", NOT_LOADED);
    },
  },
);

/** The functions of the module. */
export let wasm = notLoaded;

/** Takes the exports of the module, and returns them with traps for want of memory made errors. */
export function attachExports(exports) {
  raw = exports;
  const all = Object.entries(exports);
  wasm = Object.fromEntries(all.map(([name, it]) => [name, typeof it === "function" ? guarded(it) : it]));
  return wasm;
}

/**
 * The functions themselves. A keystroke calls them by `insertChar` and `deleteUnits`: engines inline what is
 * called in one place for one function.
 */
let raw = notLoaded;

export function insertChar(handle, position, unit) {
  try {
    return raw.crdt_insert_char(handle, position, unit);
  } catch (error) {
    throw trapped(error);
  }
}

export function deleteUnits(handle, position, length) {
  try {
    return raw.crdt_delete(handle, position, length);
  } catch (error) {
    throw trapped(error);
  }
}

function guarded(call) {
  return (...values) => {
    try {
      return call(...values);
    } catch (error) {
      throw trapped(error);
    }
  };
}

/** Whether memory ran out once: what a trap left half done then may be the cause of any later one. */
let isExhausted = false;

function trapped(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return error;
  if (raw.crdt_exhausted() !== 0) isExhausted = true;
  if (!isExhausted) return error;
  // The contents of the input buffer are lost.
  capacity = 0;
  return outOfMemory();
}

function outOfMemory() {
  return coded(
    "out_of_memory",
    "the memory is exhausted: free documents that are not needed, or load the page anew",
  );
}

/** Why the module does not run, as an error of this package. */
export function loadError(error) {
  if (error?.code !== undefined) return error;
  const why = `the WebAssembly cannot be started: ${error?.message ?? error}`;
  return coded("not_loaded", `${why}. Give the file crdt_wasm_bg.wasm of this version of the package`);
}

// Handles.

/** How many handles a copy of the package takes at once; `registry.rs` knows it too. */
const BLOCK = 2 ** 20;
/** Where all copies of the package on a page, of whatever version, say which they have taken. */
const TAKEN = Symbol.for("crdt-wasm handles");

/** The number of a block of handles that no other copy gives out. */
export function takeBlock() {
  const block = globalThis[TAKEN] ?? 0;
  if (block >= 2 ** 32 / BLOCK) throw coded("too_large", "there are no more handles for documents");
  Object.defineProperty(globalThis, TAKEN, { value: block + 1, writable: true, configurable: true });
  return block;
}

// Errors.

export function coded(code, message) {
  const error = new Error(message);
  error.name = "CrdtError";
  error.code = code;
  return error;
}

/** The most that an error shows of a string, in UTF-16 units. */
const SHOWN = 40;

export function badArgument(name, expected, value) {
  let got = value === null ? "null" : typeof value;
  if (got === "string") got = JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value);
  return coded("bad_argument", `${name} has to be ${expected}, not ${got}`);
}

/** What the module says went wrong. */
function failure() {
  const said = /^(.*)\n([^]*)$/.exec(reply());
  // There was no memory left for the words.
  if (said === null) return outOfMemory();
  const [, code, message] = said;
  return coded(code, message);
}

/** Shows what a listener threw as the host shows any uncaught error. */
export function report(error) {
  try {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  } catch {
    // A page may have put something of its own in their place.
  }
}

// Arguments.

/** Whether it is a whole number that the module can take. */
export function isIndex(value) {
  return typeof value === "number" && value >>> 0 === value;
}

export function aString(name, value) {
  if (typeof value !== "string") throw badArgument(name, "a string", value);
  return value;
}

export function aFunction(name, value) {
  if (typeof value !== "function") throw badArgument(name, "a function", value);
  return value;
}

export function someBytes(name, value) {
  if (value instanceof Uint8Array && value.length > 0) return value;
  try {
    if (ArrayBuffer.isView(value)) {
      return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    }
    // It may be of another realm.
    if (Object.prototype.toString.call(value) === "[object ArrayBuffer]") return new Uint8Array(value);
  } catch {
    throw coded("bad_argument", `${name} has no bytes any more: its buffer was transferred`);
  }
  throw badArgument(name, "a Uint8Array or an ArrayBuffer", value);
}

/** The options, if they are an object that has no others than those known. */
export function someOptions(value, known) {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw badArgument("options", "an object", value);
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) {
      throw coded("bad_argument", `there is no option ${name}: there are ${known.join(", ")}`);
    }
  }
  return value;
}

export function aHandle(value) {
  if (typeof value !== "number") throw badArgument("handle", "a number", value);
  if (!isIndex(value)) {
    throw coded(
      "dead_handle",
      `there is no document with handle ${value}: it was freed, or never created`,
    );
  }
  return value;
}

/** The handle, if its document stands. */
export function aLiveHandle(value) {
  done(wasm.crdt_length(aHandle(value)));
  return value;
}

/** A position in the text of a document. */
export function aPosition(handle, name, value) {
  if (isIndex(value)) return value;
  aUnit(name, value);
  throw pastTheEnd(handle, name, value);
}

export function aUnit(name, value) {
  if (typeof value !== "number") throw badArgument(name, "a number", value);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw coded(
      "bad_position",
      `${name} has to be a whole number of UTF-16 units, zero or more, not ${value}`,
    );
  }
}

export function pastTheEnd(handle, name, value) {
  const length = wasm.crdt_length(handle);
  return coded(
    "out_of_bounds",
    `${name} ${value} is past the end of the text, which has ${length} UTF-16 units`,
  );
}

// Results.

export function done(status) {
  if (status < 0) throw failure();
  return status;
}

/** The handle of a new document. */
export function created(handle) {
  if (handle === 0) throw failure();
  return handle >>> 0;
}

export function answer(status) {
  done(status);
  return reply();
}

export function answerBytes(status) {
  done(status);
  refresh();
  const start = wasm.crdt_reply() >>> 0;
  const length = wasm.crdt_reply_length() >>> 0;
  const bytes = memory.slice(start, start + length);
  tidy(length);
  return bytes;
}

export function change(status, position, deleted, inserted) {
  if (status === 0) return { position: position >>> 0, deleted: deleted >>> 0, inserted };
  done(status);
  return {
    position: wasm.crdt_edited_position() >>> 0,
    deleted: wasm.crdt_edited_length() >>> 0,
    inserted,
  };
}

// Text and bytes in the module's memory.

/** Where the input buffer starts. */
let input = 0;
/** How many bytes it takes. */
let capacity = 0;
/** The module's memory. */
let memory = new Uint8Array();

const encoder = new TextEncoder();
let decoder = newDecoder();
/** How many bytes a decoder may be given: in Safari, one fails for good after 2 GiB. */
const DECODABLE = 2 ** 31 - 2 ** 20;
let decoded = 0;

/** Up to this length, text is written here while it is ASCII, which is faster than to call for it. */
const SHORT = 48;
/** From this many bytes on, what was written is cleared away at once. */
const LARGE = 1 << 16;

/** Writes text to the input buffer, `at` bytes from its start, and returns how many bytes it took. */
export function put(text, at) {
  makeRoom(at + text.length);
  let length = 0;
  if (text.length <= SHORT) {
    for (; length < text.length; length++) {
      const unit = text.charCodeAt(length);
      if (unit > 0x7f) break;
      memory[input + at + length] = unit;
    }
  }
  let rest = text.slice(length);
  while (rest !== "") {
    const target = memory.subarray(input + at + length, input + capacity);
    const { read, written } = encoder.encodeInto(rest, target);
    length += written;
    rest = rest.slice(read);
    makeRoom(at + length + 3 * rest.length);
  }
  return length;
}

/** Writes bytes to the input buffer, `at` bytes from its start, and returns how many they are. */
export function putBytes(bytes, at) {
  makeRoom(at + bytes.length);
  memory.set(bytes, input + at);
  return bytes.length;
}

/** The text of the first bytes in the input buffer: what became of text that was put there. */
export function inputText(length) {
  return take(input, length);
}

function makeRoom(bytes) {
  if (bytes > capacity) {
    input = wasm.crdt_input(bytes) >>> 0;
    if (input === 0) {
      capacity = 0;
      throw outOfMemory();
    }
    capacity = bytes;
  }
  refresh();
}

/** Memory that has grown is another buffer. */
function refresh() {
  if (memory.length === 0) memory = new Uint8Array(wasm.memory.buffer);
}

function reply() {
  const length = wasm.crdt_reply_length() >>> 0;
  const text = take(wasm.crdt_reply() >>> 0, length);
  tidy(length);
  return text;
}

/** Reads text from the module's memory. */
function take(start, length) {
  refresh();
  decoded += length;
  if (decoded > DECODABLE) {
    decoder = newDecoder();
    decoded = length;
  }
  try {
    return decoder.decode(memory.subarray(start, start + length));
  } catch (error) {
    throw coded(
      "too_large",
      `a string here cannot have ${length} bytes: take the text in parts, by slice(), or bytes (${error.message})`,
    );
  }
}

function newDecoder() {
  return new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
}

/** Gives back the memory that so many bytes took. */
export function tidy(length) {
  if (length >= LARGE || capacity >= LARGE) {
    wasm.crdt_clear();
    capacity = 0;
  }
}
