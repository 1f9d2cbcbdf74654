// The history of a document as a list of moments, each of which is there at once.

import { ChangeSet, Text } from "@codemirror/state";
import { Document, type TextChange, Version } from "crdt-wasm";
import { type Author, type Authors, authorsOf } from "./authors.js";
import { colorAt } from "../name.js";
import { coded } from "../problem.js";
import { texts } from "../texts/index.js";
import { type Step, stepsOf, type Txn } from "./steps.js";

/** Between two texts that are kept, so many steps are made anew. */
const KEPT_EVERY = 256;
/** For so long at a time is read. */
const WORK_MS = 8;

/** The text at a moment. */
export interface Moment {
  text: Text;
  /** Like `text`, but each unit is the code of its author and minute. */
  codes: Text;
}

const EMPTY: Moment = { text: Text.empty, codes: Text.empty };

/** The history up to when it was read, as moments from the empty text on. */
export class Playback {
  /** The version of the form of operations. */
  readonly #form: number;
  readonly #steps: readonly Step[];
  readonly #authors: Authors;
  /** What each step made of the text. */
  readonly #changes: (readonly TextChange[])[] = [];
  /** The moments before every 256th step. They share what they have in common. */
  readonly #kept: Moment[] = [EMPTY];
  /** The moment before the first step that is the version asked for, or the last one. */
  readonly start: number;

  private constructor(steps: readonly Step[], start: number, authors: Authors, form: number) {
    this.#steps = steps;
    this.start = start;
    this.#authors = authors;
    this.#form = form;
  }

  /**
   * Reads the history, a slice at a time, so that the page never waits; `progress` gets how much is read,
   * from 0 to 1. What `version` has comes first, so that it is one of the moments, `start`.
   *
   * @throws {CrdtError} `unknown_event` where the version has not arrived here; `too_old` where the history does not
   * begin with the empty text
   */
  static async read(
    replica: Document,
    version: Version | null,
    progress: (part: number) => void,
  ): Promise<Playback> {
    const { first, rest, form, end } = parts(replica, version);
    const [before, after] = stepsOf(first, rest);
    const authors = await authorsOf(replica, pauses());
    const steps = [...before, ...after];
    const playback = new Playback(steps, before.length, authors, form);
    const reached = await playback.#replay(progress);
    // Where the first edits are missing, those that are there lead to nothing.
    if (reached !== end) throw coded("too_old", texts.history.startMissing);
    return playback;
  }

  /** How many steps there are; the moments are one more. */
  get length(): number {
    return this.#steps.length;
  }

  /** The text after so many steps. */
  at(step: number): Moment {
    const kept = Math.floor(step / KEPT_EVERY);
    let moment = this.#kept[kept] ?? EMPTY;
    for (let index = kept * KEPT_EVERY; index < step; index += 1) {
      moment = this.#after(moment, index);
    }
    return moment;
  }

  /** What leads from one moment to a later one. */
  changes(from: number, to: number): ChangeSet {
    let all = ChangeSet.empty(this.at(from).text.length);
    for (const { position, deleted, inserted } of this.#changes.slice(from, to).flat()) {
      const change = { from: position, to: position + deleted, insert: inserted };
      all = all.compose(ChangeSet.of(change, all.newLength, "\n"));
    }
    return all;
  }

  /** Where the step that led to a moment changed the text; `null` where it changed nothing. */
  place(step: number): number | null {
    const last = this.#changes[step - 1]?.at(-1);
    return last === undefined ? null : last.position + last.inserted.length;
  }

  /** Who made the step that led to a moment; `null` before all of them. */
  authorOf(step: number): Author | null {
    const made = this.#steps[step - 1];
    return made === undefined ? null : this.#authors.of(made.agent, made.seq);
  }

  /** Who wrote what has this code. */
  authorOfCode(code: number): Author | null {
    return this.#authors.withCode(code);
  }

  /** The names of everybody who wrote, in the order in which they came. */
  get people(): readonly string[] {
    return this.#authors.people;
  }

  /** The colour of somebody's text. */
  colorOf(name: string): string {
    // Neighbours in time are far apart in hue.
    return colorAt(this.people.indexOf(name) * 5);
  }

  /** The version of a moment, which every replica knows that has its edits. Takes as long as making the steps does. */
  version(step: number): Version {
    const replica = new Document();
    try {
      replica.mergeOperations(this.#json(this.#steps.slice(0, step)));
      return replica.version();
    } finally {
      replica.free();
    }
  }

  /** Makes all steps; returns the frontier that they lead to. */
  async #replay(progress: (part: number) => void): Promise<string> {
    const replica = new Document();
    let made: TextChange[] = [];
    replica.on("change", ({ changes }) => (made = [...changes]));
    const pause = pauses();
    try {
      let moment = EMPTY;
      for (const [index, step] of this.#steps.entries()) {
        made = [];
        replica.mergeOperations(this.#json([step]));
        this.#changes.push(made);
        moment = this.#after(moment, index);
        if ((index + 1) % KEPT_EVERY === 0) this.#kept.push(moment);
        if (await pause()) progress(index / this.#steps.length);
      }
      return replica.getFrontierJson();
    } finally {
      replica.free();
    }
  }

  #json(txns: readonly Step[]): string {
    return JSON.stringify({ v: this.#form, frontier: [], txns });
  }

  #after({ text, codes }: Moment, index: number): Moment {
    const step = this.#steps[index];
    if (step === undefined) return { text, codes };
    const code = String.fromCharCode(this.#authors.codeOf(step.agent, step.seq));
    for (const { position, deleted, inserted } of this.#changes[index] ?? []) {
      const lines = inserted.split("\n");
      const end = position + deleted;
      text = text.replace(position, end, Text.of(lines));
      codes = codes.replace(position, end, Text.of(lines.map((line) => code.repeat(line.length))));
    }
    return { text, codes };
  }
}

interface Operations {
  v: number;
  txns: Txn[];
}

/** The operations of the version, those that came after it, the version of their form, and the frontier of them all. */
function parts(replica: Document, version: Version | null) {
  const branch = replica.branch(version);
  try {
    const first = JSON.parse(branch.getOperationsJson()) as Operations;
    const after = replica.getOperationsSinceJson(branch.getFrontierJson());
    const { txns: rest } = JSON.parse(after) as Operations;
    return { first: first.txns, rest, form: first.v, end: replica.getFrontierJson() };
  } finally {
    branch.free();
  }
}

/** Lets the page go on whenever it was at work for some time; returns whether it did. */
function pauses(): () => Promise<boolean> {
  let until = performance.now() + WORK_MS;
  return async () => {
    if (performance.now() < until) return false;
    await new Promise((done) => setTimeout(done));
    until = performance.now() + WORK_MS;
    return true;
  };
}
