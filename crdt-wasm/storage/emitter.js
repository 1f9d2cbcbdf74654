// Listeners by the name of an event.

import { badArgument, coded } from "./problems.js";

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
    for (const listener of [...this.#of(event)]) {
      try {
        listener(payload);
      } catch (error) {
        if (typeof reportError === "function") reportError(error);
        else console.error(error);
      }
    }
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
