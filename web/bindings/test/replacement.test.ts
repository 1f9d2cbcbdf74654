import { expect, test } from "vitest";
import { applyChanges, replacementBetween } from "../src/replacement.js";

const CASES: [
  name: string,
  before: string,
  after: string,
  caret: number | undefined,
  expected: [position: number, deleted: number, inserted: string] | null,
][] = [
  ["nothing", "abc", "abc", undefined, null],
  ["an insertion in the middle", "abcd", "abXcd", undefined, [2, 0, "X"]],
  ["a deletion at the end", "abcd", "ab", undefined, [2, 2, ""]],
  ["a replaced word", "one two three", "one 2 three", undefined, [4, 3, "2"]],
  ["one of many: at the end without a caret", "aa", "aaa", undefined, [2, 0, "a"]],
  ["one of many: at the caret", "aa", "aaa", 1, [0, 0, "a"]],
  ["one of many taken away: at the caret", "aaaa", "aaa", 1, [1, 1, ""]],
  ["a caret past the end", "ab", "abc", 99, [2, 0, "c"]],
  ["pairs that begin alike", "x😀y", "x😁y", undefined, [1, 2, "😁"]],
  ["pairs that end alike", "x\u{1F600}y", "x\u{1FA00}y", undefined, [1, 2, "\u{1FA00}"]],
  ["a pair after its like", "😀", "😀😀", undefined, [2, 0, "😀"]],
  ["everything", "abc", "xyz", undefined, [0, 3, "xyz"]],
];

test.each(CASES)("%s", (_name, before, after, caret, expected) => {
  const change = replacementBetween(before, after, 0, caret);
  expect(change && [change.position, change.deleted, change.inserted]).toEqual(expected);
  expect(applyChanges(before, change === null ? [] : [change])).toBe(after);
});

test("positions count from the offset", () => {
  expect(replacementBetween("ab", "aXb", 10)?.position).toBe(11);
});
