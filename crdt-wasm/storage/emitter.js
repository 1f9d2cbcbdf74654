// Listeners by the name of an event.

import { badArgument, coded } from "./problems.js";

/** Calls a function of the caller's. Its error, also one of an async function, is reported, and disturbs nothing. */
export function callListener(listener, payload) {
  try {
    const answer = listener(payload);
    if (typeof answer?.then === "function") Promise.resolve(answer).catch(report);
  } catch (error) {
    report(error);
  }
}

function report(error) {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}

export class Emitter {
  #listeners;

  constructor(events) {
    this.#listeners = new Map(events.map((event) => [event, new Set()]));
  }

  on(event, listener) {
    if (typeof listener !== "function") throw badArgument("listener", "a function", listener);
    this.#of(event).add(listener);
    return () => this.off(event, listener);
  }

  off(event, listener) {
    this.#of(event).delete(listener);
  }

  emit(event, payload) {
    for (const listener of [...this.#of(event)]) callListener(listener, payload);
  }

  #of(event) {
    const listeners = this.#listeners.get(event);
    if (listeners === undefined) {
      const names = [...this.#listeners.keys()].join(", ");
      throw coded("bad_argument", `there is no event ${event}: there are ${names}`);
    }
    return listeners;
  }
}
