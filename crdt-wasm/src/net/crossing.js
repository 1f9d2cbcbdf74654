// What crosses with every keystroke between the browser and the module. After the pause before it,
// each call from one to the other takes longer than the merge: so there is one for each thing to be
// done, and it does nothing that the next lines do not say.

/** Adds a replacement to the list of what a merge changed; makes the list when there is none. */
export function withChange(list, position, deleted, inserted) {
  const change = { position, deleted, inserted };
  if (list === undefined) return [change];
  list.push(change);
  return list;
}

/** The same, of one character: a number needs no decoder. */
export function withCharacter(list, position, deleted, scalar) {
  return withChange(list, position, deleted, String.fromCodePoint(scalar));
}

/** What hears the messages of a channel, and hands each to the one of two functions that takes it. */
export function receiver(takeBytes, takeText) {
  return ({ data }) => {
    if (typeof data === "string") takeText(data);
    else takeBytes(new Uint8Array(data));
  };
}

let thrown;

/** Sends bytes by a channel. Returns whether it took them; `whyNot` has what it threw. */
export function send(channel, bytes) {
  try {
    channel.send(bytes);
    return true;
  } catch (error) {
    thrown = error;
    return false;
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

function report(error) {
  try {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  } catch {
    // A page may have put something of its own in their place. Nothing may be thrown into the module.
  }
}

/** Milliseconds on a clock that never goes back, where the host has one. */
export function now() {
  return (globalThis.performance ?? Date).now();
}
