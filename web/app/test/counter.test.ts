import { Text } from "@codemirror/state";
import { expect, test, vi } from "vitest";
import { Counter, type Counts, countsOf } from "../src/counter.js";

const countsOnce = (text: string) =>
  new Promise<Counts>((resolve) => new Counter(resolve).count(() => Text.of(text.split("\n"))));

const TEXTS: [name: string, text: string][] = [
  ["nothing", ""],
  ["lines", "one two\n\nthree\n"],
  ["marks and apostrophes", "don’t e\u0301tude rock-and-roll — 42"],
  ["emoji", "a 😀 b 👩‍👧"],
  ["words across slices", "abcdefg ".repeat(10_000)],
  ["pairs across slices", `x${"😀".repeat(40_000)}`],
  ["one long word", "a".repeat(100_000)],
];

test.each(TEXTS)("a text counted in slices counts as a whole: %s", async (_name, text) => {
  expect(await countsOnce(text)).toEqual(countsOf(text));
});

test("only the last text is shown", async () => {
  const show = vi.fn();
  const counter = new Counter(show);
  counter.count(() => Text.of(["one"]));
  await new Promise<void>((resolve) => {
    show.mockImplementation(() => resolve());
    counter.count(() => Text.of(["one two"]));
  });
  expect(show.mock.calls).toEqual([[{ words: 2, characters: 7 }]]);
});
