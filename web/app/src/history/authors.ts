// Who wrote what, and when.

import type { Document } from "crdt-wasm";

/** Who wrote something. */
export interface Author {
  agent: string;
  name: string;
  /** In milliseconds since 1970; `null` if unknown. */
  time: number | null;
}

/** The first and the last UTF-16 unit that stands for an author: letters, none of them half a pair. */
const FIRST_CODE = 0x100;
const LAST_CODE = 0xd7ff;

/** The runs of one agent, from its first event on. */
interface Runs {
  name: string;
  starts: number[];
  times: (number | null)[];
  events: number;
}

export class Authors {
  readonly #runs: ReadonlyMap<string, Runs>;
  readonly #codes = new Map<string, number>();
  readonly #authors: Author[] = [];

  readonly #people: readonly string[];

  constructor(runs: ReadonlyMap<string, Runs>) {
    this.#runs = runs;
    this.#people = [...new Set(Array.from(runs.values(), ({ name }) => name))];
  }

  /** The names of everybody who wrote, in the order in which they came. */
  get people(): readonly string[] {
    return this.#people;
  }

  /** Who made an event. */
  of(agent: string, seq: number): Author {
    const runs = this.#runs.get(agent);
    if (runs === undefined) return { agent, name: agent, time: null };
    let [low, high] = [0, runs.starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((runs.starts[middle] ?? 0) <= seq) low = middle;
      else high = middle;
    }
    return { agent, name: runs.name, time: runs.times[low] ?? null };
  }

  /** A number for an agent and a minute. Where there are too many of them, later ones go by an earlier minute. */
  codeOf(agent: string, seq: number): number {
    const author = this.of(agent, seq);
    const key = `${agent}\n${author.time}`;
    const known = this.#codes.get(key);
    if (known !== undefined) return known;
    const isFull = FIRST_CODE + this.#authors.length > LAST_CODE;
    const code = isFull
      ? FIRST_CODE + Math.max(0, this.#authors.findIndex((one) => one.agent === agent))
      : FIRST_CODE + this.#authors.push(author) - 1;
    this.#codes.set(key, code);
    return code;
  }

  withCode(code: number): Author | null {
    return this.#authors[code - FIRST_CODE] ?? null;
  }
}

/** Reads who wrote what; `pause` lets the page go on in between. */
export async function authorsOf(replica: Document, pause: () => Promise<unknown>): Promise<Authors> {
  const all = new Map<string, Runs>();
  for (const { agent, name, time, length } of replica.history()) {
    let runs = all.get(agent);
    if (runs === undefined) all.set(agent, (runs = { name, starts: [], times: [], events: 0 }));
    if (runs.times.length === 0 || runs.times.at(-1) !== time) {
      runs.starts.push(runs.events);
      runs.times.push(time);
    }
    runs.events += length;
    await pause();
  }
  return new Authors(all);
}
