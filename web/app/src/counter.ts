// Counts the words of a text, a slice at a time, so that typing in a long text never waits.

import type { Text } from "@codemirror/state";

export interface Counts {
  words: number;
  characters: number;
}

const SLICE = 16_384;
/** For so long at a time is counted. */
const WORK_MS = 6;

/** The words and characters of a part of a text; a word that began before it counts there. */
export function countsOf(text: string, isInWord = false): Counts {
  const words = text.match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}'’-]*/gu)?.length ?? 0;
  const continues = isInWord && /^[\p{L}\p{N}]/u.test(text);
  // Of a surrogate pair, the second half does not count.
  const seconds = text.match(/[\udc00-\udfff]/g)?.length ?? 0;
  return { words: words - (continues ? 1 : 0), characters: text.length - seconds };
}

/** Counts texts, of which the last is shown. */
export class Counter {
  readonly #show: (counts: Counts) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(show: (counts: Counts) => void) {
    this.#show = show;
  }

  /** Counts a text after so many milliseconds, in place of any earlier one. */
  count(text: () => Text, delay = 0): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#work(slicesOf(text()), { words: 0, characters: 0 }, false), delay);
  }

  #work(slices: Iterator<string>, counts: Counts, isInWord: boolean): void {
    const until = performance.now() + WORK_MS;
    let inWord = isInWord;
    do {
      const { value, done } = slices.next();
      if (done === true) {
        this.#show(counts);
        return;
      }
      const { words, characters } = countsOf(value, inWord);
      counts.words += words;
      counts.characters += characters;
      inWord = /[\p{L}\p{N}\p{M}'’-]$/u.test(value);
    } while (performance.now() < until);
    this.#timer = setTimeout(() => this.#work(slices, counts, inWord));
  }
}

function* slicesOf(text: Text): Generator<string> {
  for (const part of text.iter()) {
    for (let from = 0; from < part.length; ) {
      const ends = from + SLICE;
      // A pair is not cut in two.
      const to = (part.charCodeAt(ends - 1) & 0xfc00) === 0xd800 ? ends + 1 : ends;
      yield part.slice(from, to);
      from = to;
    }
  }
}
