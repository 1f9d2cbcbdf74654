// The documents as JavaScript sees them: the class `Document`, the functions that name documents by
// handle, and their errors. They check what they are given, whatever its type, and call the
// functions of `calls.rs`, which take plain numbers.
//
// Text goes in as UTF-8 on the desk, a piece of the module's memory; a single character goes in as
// a number.

const NOT_LOADED = "crdt-wasm is not loaded: await the default export of the package first";

/** The functions of the module. */
let wasm = new Proxy(
  {},
  {
    get() {
      throw new Error(NOT_LOADED);
    },
  },
);

/** Called by the module when it runs. */
export function attach(exports) {
  wasm = exports;
}

// The flat API.

export function create_document(agentId) {
  const handle = wasm.crdt_create(put(aString("agentId", agentId), 0));
  if (handle === 0) throw failure();
  return handle >>> 0;
}

export function free_document(handle) {
  done(wasm.crdt_free(aHandle(handle)));
}

export function get_text(handle) {
  return answer(wasm.crdt_text(aHandle(handle)));
}

export function insert(handle, position, text) {
  if (!isIndex(handle) || !isIndex(position) || typeof text !== "string") {
    throw badInsert(handle, position, text);
  }
  if (text.length === 1) {
    const unit = text.charCodeAt(0);
    if ((unit & 0xf800) !== SURROGATES) {
      return change(wasm.crdt_insert_char(handle, position, unit), position, 0, text);
    }
  }
  const length = put(text, 0);
  // A lone surrogate is mended on its way.
  const inserted = /[\ud800-\udfff]/.test(text) ? take(desk, length) : text;
  const status = wasm.crdt_insert(handle, position, length);
  tidy(length);
  return change(status, position, 0, inserted);
}

export function delete_range(handle, position, length) {
  if (
    !isIndex(handle) ||
    !isIndex(position) ||
    !isIndex(length) ||
    !isIndex(position + length)
  ) {
    throw badDelete(handle, position, length);
  }
  return change(wasm.crdt_delete(handle, position, length), position, length, "");
}

export function get_operations_json(handle) {
  return answer(wasm.crdt_operations(aHandle(handle)));
}

export function get_operations_since_json(handle, frontier) {
  const live = aLiveHandle(handle);
  return answer(wasm.crdt_operations_since(live, put(aString("frontier", frontier), 0)));
}

export function get_frontier_json(handle) {
  return answer(wasm.crdt_frontier(aHandle(handle)));
}

export function merge_operations(handle, ops, frontier) {
  const live = aLiveHandle(handle);
  const operations = put(aString("ops", ops), 0);
  const known = put(aString("frontier", frontier ?? ""), operations);
  return JSON.parse(answer(wasm.crdt_merge(live, operations, known)));
}

// The class.

/** Frees the documents whose wrappers are gone. */
const forgotten = new FinalizationRegistry((handle) => wasm.crdt_free(handle));

export class Document {
  #handle;

  constructor(agentId) {
    this.#handle = create_document(agentId);
    forgotten.register(this, this.#handle, this);
  }

  get handle() {
    // Others may use it from now on.
    forgotten.unregister(this);
    return this.#handle;
  }

  free() {
    forgotten.unregister(this);
    // The one failure is that it is freed already.
    wasm.crdt_free(this.#handle);
  }

  getText() {
    return get_text(this.#handle);
  }

  insert(position, text) {
    return insert(this.#handle, position, text);
  }

  deleteRange(position, length) {
    return delete_range(this.#handle, position, length);
  }

  getOperationsJson() {
    return get_operations_json(this.#handle);
  }

  getOperationsSinceJson(frontier) {
    return get_operations_since_json(this.#handle, frontier);
  }

  getFrontierJson() {
    return get_frontier_json(this.#handle);
  }

  mergeOperations(ops, frontier) {
    return merge_operations(this.#handle, ops, frontier);
  }
}

if (Symbol.dispose) Document.prototype[Symbol.dispose] = Document.prototype.free;

// Arguments.

/** Whether it is a whole number that the module can take. */
function isIndex(value) {
  return typeof value === "number" && value >>> 0 === value;
}

function aString(name, value) {
  if (typeof value !== "string") throw badArgument(name, "a string", value);
  return value;
}

function aHandle(value) {
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
function aLiveHandle(value) {
  done(wasm.crdt_length(aHandle(value)));
  return value;
}

function aPosition(name, value) {
  if (typeof value !== "number") throw badArgument(name, "a number", value);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw coded(
      "bad_position",
      `${name} has to be a whole number of UTF-16 units, zero or more, not ${value}`,
    );
  }
}

/** Why an insertion was refused that the module cannot even be asked for. */
function badInsert(handle, position, text) {
  aLiveHandle(handle);
  aPosition("position", position);
  aString("text", text);
  return pastTheEnd(handle, "position", position);
}

function badDelete(handle, position, length) {
  aLiveHandle(handle);
  aPosition("position", position);
  aPosition("length", length);
  return isIndex(position)
    ? pastTheEnd(handle, "position + length", position + length)
    : pastTheEnd(handle, "position", position);
}

// Errors.

function coded(code, message) {
  const error = new Error(message);
  error.name = "CrdtError";
  error.code = code;
  return error;
}

function badArgument(name, expected, value) {
  const got = value === null ? "null" : typeof value;
  return coded("bad_argument", `${name} has to be ${expected}, not ${got}`);
}

function pastTheEnd(handle, name, value) {
  const length = wasm.crdt_length(handle);
  return coded(
    "out_of_bounds",
    `${name} ${value} is past the end of the text, which has ${length} UTF-16 units`,
  );
}

/** What the module says went wrong. */
function failure() {
  const [, code, message] = /^(.*)\n([^]*)$/.exec(reply());
  return coded(code, message);
}

// Results.

function done(status) {
  if (status < 0) throw failure();
}

function answer(status) {
  done(status);
  return reply();
}

function change(status, position, deleted, inserted) {
  if (status === 0) return { position: position >>> 0, deleted: deleted >>> 0, inserted };
  done(status);
  return {
    position: wasm.crdt_edited_position() >>> 0,
    deleted: wasm.crdt_edited_length() >>> 0,
    inserted,
  };
}

// Text in the module's memory.

/** Where the desk is. */
let desk = 0;
/** How many bytes of text it takes. */
let room = 0;
/** The module's memory. */
let memory = new Uint8Array();

const encoder = new TextEncoder();
let decoder = newDecoder();
/** How many bytes a decoder may be given: in Safari, one fails for good after 2 GiB. */
const DECODABLE = 2 ** 31 - 2 ** 20;
let decoded = 0;

/** Up to this length, text is written here while it is ASCII, which is faster than to call for it. */
const SHORT = 48;
/** From this many bytes on, text is cleared away at once. */
const LARGE = 1 << 16;
/** The upper bits of what is half a surrogate pair. */
const SURROGATES = 0xd800;

/** Writes text to the desk, `at` bytes from its start, and returns how many bytes it took. */
function put(text, at) {
  makeRoom(at + text.length);
  let length = 0;
  if (text.length <= SHORT) {
    for (; length < text.length; length++) {
      const unit = text.charCodeAt(length);
      if (unit > 0x7f) break;
      memory[desk + at + length] = unit;
    }
  }
  let rest = text.slice(length);
  while (rest !== "") {
    const target = memory.subarray(desk + at + length, desk + room);
    const { read, written } = encoder.encodeInto(rest, target);
    length += written;
    rest = rest.slice(read);
    makeRoom(at + length + 3 * rest.length);
  }
  return length;
}

function makeRoom(bytes) {
  if (bytes > room) {
    desk = wasm.crdt_desk(bytes) >>> 0;
    room = bytes;
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
  return decoder.decode(memory.subarray(start, start + length));
}

function newDecoder() {
  return new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
}

/** Gives back the memory that a text of so many bytes took. */
function tidy(length) {
  if (length >= LARGE || room >= LARGE) {
    wasm.crdt_clear();
    room = 0;
  }
}
