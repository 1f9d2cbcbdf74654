// The calls between the browser and the module that every keystroke makes. After the pause before a
// keystroke, each of them takes longer than the merge: so there is one for each thing to be done, and
// a short message is copied byte by byte, which costs less than to ask the browser for a view of it.

/** The exported functions of the module. */
let wasm;
/** Its memory. */
let memory = new Uint8Array();
/**
 * The scratch buffer of the module: where it is, its length in bytes, and views of its first bytes, by
 * their number. A short message is in it on its way, in both directions.
 */
let scratch = 0;
let scratchLength = 0;
let views = [];

/** Called by the module when it is loaded. */
export function attach(exports, length) {
  wasm = exports;
  scratch = wasm.crdt_scratch() >>> 0;
  scratchLength = length;
}

/** Memory that has grown is another buffer. */
function refresh() {
  if (memory.length > 0) return;
  memory = new Uint8Array(wasm.memory.buffer);
  const lengths = Array.from({ length: scratchLength + 1 }, (_, length) => length);
  views = lengths.map((length) => memory.subarray(scratch, scratch + length));
}

/**
 * The listener for the messages of a channel. Short ones go into the scratch buffer, for the channel's
 * port, others to one of the two functions.
 */
export function receiver(port, takeBytes, takeText) {
  return ({ data }) => {
    if (typeof data === "string") {
      takeText(data);
      return;
    }
    const bytes = new Uint8Array(data);
    const { length } = bytes;
    if (length > scratchLength) {
      takeBytes(bytes);
      return;
    }
    refresh();
    for (let at = 0; at < length; at++) memory[scratch + at] = bytes[at];
    wasm.crdt_received(port, length);
  };
}

let thrown;

/** Sends the first bytes of the scratch buffer. Returns 1 if the channel took them; `sendError` has what it threw. */
export function sendShort(channel, length) {
  refresh();
  try {
    channel.send(views[length]);
    return 1;
  } catch (error) {
    thrown = error;
    return 0;
  }
}

export function sendError() {
  return thrown;
}

/** Calls a listener. What it throws is shown as the browser shows any uncaught error. */
export function call(listener, payload) {
  try {
    listener(payload);
  } catch (error) {
    report(error);
  }
}

/** Tells a listener of one replacement, by one character or, where that is negative, by none. */
export function tellCharacter(listener, position, deleted, scalar) {
  const inserted = scalar < 0 ? "" : String.fromCodePoint(scalar);
  call(listener, [{ position: position >>> 0, deleted: deleted >>> 0, inserted }]);
}

/** Adds a replacement to the list of what a merge changed. */
export function addChange(list, position, deleted, inserted) {
  list.push({ position, deleted, inserted });
}

function report(error) {
  try {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  } catch {
    // A page may have replaced both. Nothing may be thrown into the module.
  }
}

/** A clock that never goes back, where the host has one. */
const clock = globalThis.performance ?? Date;

/** Its time in milliseconds. */
export function now() {
  return clock.now();
}
