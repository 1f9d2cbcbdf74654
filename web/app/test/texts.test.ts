import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { withTexts } from "../build/page_texts.js";
import { en, type Texts } from "../src/texts/en.js";
import { languages, textsFor } from "../src/texts/index.js";

const SOURCES = new URL("../src/", import.meta.url);

/** Strings that no person sees: states and ways of the program, a key, a font, a part of Markdown. */
const INTERNAL = new Set([
  "under way",
  "not reached",
  "by itself",
  "one can type",
  "Escape",
  "ui-monospace, monospace",
  "Paragraph",
]);

/** All texts by their paths; functions stand for what they say of the same arguments. */
function flat(texts: object, path = ""): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(texts)) {
    const at = `${path}.${key}`;
    if (typeof value === "string") all.set(at, value);
    else if (typeof value === "function") all.set(at, (value as (...a: number[]) => string)(1, 2, 3));
    else for (const [inner, text] of flat(value as object, at)) all.set(inner, text);
  }
  return all;
}

/** The texts but those that only other languages have, as what the browser or a library says is English already. */
function own({ phrases, storageProblems, reasons, ...texts }: Texts): Map<string, string> {
  return flat(texts);
}

test("the first preferred language that is here is used, else English", () => {
  expect(textsFor(["fr", "de-AT", "en"]).language).toBe("de");
  expect(textsFor(["en-GB", "de"]).language).toBe("en");
  expect(textsFor(["fr"]).language).toBe("en");
  expect(textsFor([]).language).toBe("en");
});

describe.each(languages.map((texts) => [texts.language, texts] as const))("in %s", (_name, texts) => {
  test("every text is there, and none is empty", () => {
    expect([...own(texts).keys()]).toEqual([...own(en).keys()]);
    expect([...own(texts)].filter(([, text]) => text.trim() === "")).toEqual([]);
  });

  test("no text is left in another language", () => {
    const same = [...own(texts)].filter(([key, text]) => texts !== en && own(en).get(key) === text);
    expect(same.map(([key]) => key)).toEqual(
      texts === en ? [] : [".page.server", ".history.version", ".history.noVersion"],
    );
  });

  test("every problem says what to do", () => {
    for (const { title, advice } of Object.values(texts.problems)) {
      expect(title.length, title).toBeLessThanOrEqual(60);
      expect(advice, title).toMatch(/[.…]$/);
    }
  });
});

test("index.html has no text of its own", async () => {
  const html = await readFile(new URL("../index.html", SOURCES), "utf8");
  const spoken = html.replace(/<!--.*?-->/gs, "").match(/>[^<>]*\p{L}[^<>]*</gu) ?? [];
  expect(spoken).toEqual([]);
  expect(html).not.toMatch(/\s(aria-label|title|placeholder)="|alt="[^"]/);
  const filled = withTexts(html);
  expect(filled).toContain(`<title data-text="title">${en.page.title}</title>`);
  expect(filled).toContain(`aria-label="${en.page.text}"`);
  expect(filled).not.toMatch(/%\w+%/);
  expect(() => withTexts('<p data-text="nothing"></p>')).toThrow("nothing");
});

test("no text stands in the code", async () => {
  const found: string[] = [];
  for (const name of await readdir(SOURCES, { recursive: true })) {
    if (!name.endsWith(".ts") || name.startsWith("texts")) continue;
    const code = await readFile(new URL(name, SOURCES), "utf8");
    for (const line of code.split("\n")) {
      // Comments, errors of the program, and the words that names are made of.
      if (/^\s*(\/\/|\/?\*)|new Error\(|console\.|^const (FIRST|SECOND) =|^import /.test(line)) continue;
      found.push(...textsIn(line).map((text) => `${name}: ${text}`));
    }
  }
  expect(found).toEqual([]);
});

/** Strings in a line of code that look as if people read them. */
function textsIn(line: string): string[] {
  const strings = [...line.matchAll(/"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g)].map(
    ([, plain, template]) => (plain ?? template ?? "").replace(/\$\{[^}]*\}/g, ""),
  );
  // Markup, whose template goes over several lines.
  strings.push(...[...line.matchAll(/>([^<>{}"`();=]+)</g)].map(([, text]) => text ?? ""));
  return strings.filter((text) => {
    if (INTERNAL.has(text) || /[#[\]{}]|^[a-z]+:/.test(text)) return false;
    return /\p{Ll}{2,},? \p{Ll}{2,}/u.test(text) || /^\p{Lu}\p{Ll}+( |$)/u.test(text);
  });
}
