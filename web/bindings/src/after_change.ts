/**
 * Runs a task once, right after the change that is under way, however often it is asked for until then. By that time
 * the editor can be changed again, and the document has the change too.
 */
export class AfterChange {
  readonly #task: () => void;
  #isPlanned = false;
  #isEnded = false;

  constructor(task: () => void) {
    this.#task = task;
  }

  /** Whether the task is about to run. */
  get isPlanned(): boolean {
    return this.#isPlanned;
  }

  plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    queueMicrotask(() => {
      this.#isPlanned = false;
      if (this.#isEnded) return;
      try {
        this.#task();
      } catch (error) {
        // The document is gone, for example; the editor keeps what it shows.
        reportError(error);
      }
    });
  }

  /** The task does not run any more. */
  end(): void {
    this.#isEnded = true;
  }
}
