// Another try after a failure: soon at first, then after longer and longer waits.

/** How long to wait, in milliseconds: at first, and at most. */
const FIRST_MILLIS = 500;
const LAST_MILLIS = 30_000;

export class Retry {
  #timer = null;
  #millis = FIRST_MILLIS;

  get isWaiting() {
    return this.#timer !== null;
  }

  /** Acts after the wait, if nothing waits already. */
  later(act) {
    if (this.#timer !== null) return;
    const timer = setTimeout(() => {
      this.#timer = null;
      act();
    }, this.#millis * (0.5 + Math.random()));
    this.#timer = timer;
    // Node may end before that.
    timer.unref?.();
    this.#millis = Math.min(2 * this.#millis, LAST_MILLIS);
  }

  /** It works: nothing waits, and the next wait is the first one again. */
  reset() {
    this.stop();
    this.#millis = FIRST_MILLIS;
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}
