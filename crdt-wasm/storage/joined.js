// The openings of one document that hear each other: what `join` of a storage returns. A storage that fails at this
// still stores, so its failure is a problem of its own, and joining is tried again.

import { callListener } from "./emitter.js";
import { coded, mayPass, storageError } from "./problems.js";
import { Retry } from "./retry.js";

export class Joined {
  #join;
  #onChange;
  #retry = new Retry();
  /** What `join` returned; null where it returned nothing, failed, or was left. */
  #others = null;
  #hasLeft = false;
  /** Why the others cannot be reached, or null. */
  problem = null;

  /**
   * Joins. `receive` gets what others post. `onChange` is called when the problem has changed, with whether
   * messages may have been missed.
   */
  constructor(storage, name, receive, onChange) {
    this.#join = () => storage.join?.(name, receive) ?? null;
    this.#onChange = onChange;
    this.#begin();
  }

  post(message) {
    const others = this.#others;
    if (others === null) return;
    try {
      const answer = others.post(message);
      if (typeof answer?.then === "function") {
        Promise.resolve(answer).catch((error) => this.#others === others && this.#fail(error));
      }
      this.#retry.reset();
    } catch (error) {
      this.#fail(error);
    }
  }

  leave() {
    this.#hasLeft = true;
    this.#retry.stop();
    this.#leaveOthers();
  }

  #begin() {
    try {
      this.#others = asOthers(this.#join());
      this.problem = null;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error) {
    this.#leaveOthers();
    if (this.#hasLeft) return;
    this.problem = storageError(error);
    if (mayPass(this.problem)) this.#retry.later(() => this.#beginAgain());
    this.#onChange(false);
  }

  #beginAgain() {
    this.#begin();
    if (this.problem === null) this.#onChange(true);
  }

  #leaveOthers() {
    const others = this.#others;
    this.#others = null;
    if (others !== null) callListener(() => others.leave());
  }
}

/** What `join` returned, if it has the form. */
function asOthers(joined) {
  if (joined === null) return null;
  if (typeof joined.post === "function" && typeof joined.leave === "function") return joined;
  // Nobody else hears a failure of this.
  if (typeof joined.then === "function") Promise.resolve(joined).catch(() => {});
  throw coded("storage_failed", "the storage's join() has to return { post, leave }, or null");
}
