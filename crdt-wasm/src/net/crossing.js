// What crosses with every keystroke between the browser and the module. After the pause before it,
// each call from one to the other takes longer than the merge: so there is one for each thing to be
// done, it does nothing that the next lines do not say, and a short message is copied byte by byte,
// which costs less than to ask the browser for a view of it.

/** The functions of the module. */
let wasm;
/** Its memory. */
let memory = new Uint8Array();
/**
 * Where its tray is, how many bytes that takes, and what lies there, by its length. A message that it
 * takes is short: it lies there as it crosses.
 */
let tray = 0;
let short = 0;
let lying = [];

/** Called by the module when it runs. */
export function attach(exports, trayLength) {
  wasm = exports;
  tray = wasm.crdt_tray() >>> 0;
  short = trayLength;
}

/** Memory that has grown is another buffer. */
function refresh() {
  if (memory.length > 0) return;
  memory = new Uint8Array(wasm.memory.buffer);
  const lengths = Array.from({ length: short + 1 }, (_, length) => length);
  lying = lengths.map((length) => memory.subarray(tray, tray + length));
}

/**
 * What hears the messages of a channel. Short ones it puts on the tray, for the channel's port,
 * others it hands to one of the two functions.
 */
export function receiver(port, takeBytes, takeText) {
  return ({ data }) => {
    if (typeof data === "string") {
      takeText(data);
      return;
    }
    const bytes = new Uint8Array(data);
    const { length } = bytes;
    if (length > short) {
      takeBytes(bytes);
      return;
    }
    refresh();
    for (let at = 0; at < length; at++) memory[tray + at] = bytes[at];
    wasm.crdt_received(port, length);
  };
}

let thrown;

/** Sends what lies on the tray. Returns 1 if the channel took it; `whyNot` has what it threw. */
export function sendShort(channel, length) {
  refresh();
  try {
    channel.send(lying[length]);
    return 1;
  } catch (error) {
    thrown = error;
    return 0;
  }
}

export function whyNot() {
  return thrown;
}

/** Calls who listens. What is thrown there is shown as the browser shows any uncaught error. */
export function call(listener, payload) {
  try {
    listener(payload);
  } catch (error) {
    report(error);
  }
}

/** What stands in at a rehearsal for a channel, a message of it, and who listens. */
export function standIns() {
  const message = new MessageEvent("message", { data: new ArrayBuffer(5) });
  return [{ send() {} }, message, () => {}];
}

/** Tells who listens of one replacement, by one character or, where that is negative, by none. */
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
    // A page may have put something of its own in their place. Nothing may be thrown into the module.
  }
}

/** A clock that never goes back, where the host has one. */
const clock = globalThis.performance ?? Date;

/** What it says, in milliseconds. */
export function now() {
  return clock.now();
}
