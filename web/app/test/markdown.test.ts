import { expect, test } from "vitest";
import { markdown, MOST_UNITS } from "../src/markdown.js";

/** The blocks at the top of a text, by their names and lengths. */
function blocks(text: string): { name: string; length: number }[] {
  const found = [];
  for (let node = markdown.parser.parse(text).topNode.firstChild; node; node = node.nextSibling) {
    found.push({ name: node.name, length: node.to - node.from });
  }
  return found;
}

test("a paragraph of usual length is one", () => {
  const lines = Array.from({ length: 50 }, (_, index) => `line ${index} of *these*`).join("\n");
  expect(blocks(lines)).toEqual([{ name: "Paragraph", length: lines.length }]);
});

test("a long text without empty lines is cut at ends of lines, so that a key has a part of it parsed", () => {
  const line = "a line with *emphasis* in it";
  const text = Array.from({ length: 5_000 }, () => line).join("\n");
  const found = blocks(text);
  expect(new Set(found.map(({ name }) => name))).toEqual(new Set(["Paragraph"]));
  expect(Math.max(...found.map(({ length }) => length))).toBeLessThanOrEqual(MOST_UNITS + line.length + 1);
  // The ends of lines between the parts belong to none.
  const length = found.reduce((sum, part) => sum + part.length, 0);
  expect(length).toBe(text.length - (found.length - 1));
});

test("so is one whose lines are indented", () => {
  const text = `{\n${"        key: value,\n".repeat(2_000)}}`;
  for (const { length } of blocks(text).filter(({ name }) => name === "Paragraph")) {
    expect(length).toBeLessThanOrEqual(MOST_UNITS + 50);
  }
});

test("a line that is too long has no colours, and its neighbours have theirs", () => {
  const long = "*a* ".repeat(MOST_UNITS);
  expect(blocks(`# Title\nbefore\n${long}\nafter`).map(({ name }) => name)).toEqual([
    "ATXHeading1",
    "Paragraph",
    "LongLine",
    "Paragraph",
  ]);
  expect(blocks(`- item\n\n  ${long}`).map(({ name }) => name)).toEqual(["BulletList"]);
});
