import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { reasonText } from "../src/reasons.js";
import { de } from "../src/texts/de.js";
import { en } from "../src/texts/en.js";

const ROOT = new URL("../../../", import.meta.url);

/** The strings of Rust sources without their tests, as templates with `$` for what is filled in. */
async function stringsOf(...folders: string[]): Promise<Set<string>> {
  const strings = new Set<string>();
  for (const folder of folders) {
    const sources = new URL(`${folder}/`, ROOT);
    for (const name of await readdir(sources, { recursive: true })) {
      if (!name.endsWith(".rs")) continue;
      for (const string of stringsIn(await readFile(new URL(name, sources), "utf8"))) strings.add(string);
    }
  }
  return strings;
}

function stringsIn(source: string): string[] {
  const [code = ""] = source.split("#[cfg(test)]");
  const joined = code.replace(/^\s*\/\/.*$/gm, "").replace(/\\\n\s*/g, "");
  return [...joined.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text.replace(/\{\w*\}/g, "$"));
}

/** A template without the difference between names and reasons. */
function plain(template: string): string {
  return template.replaceAll("%", "$");
}

test("every reason that has German words is one that the program gives", async () => {
  const given = await stringsOf("crdt-room/src", "crdt-sync/src");
  // Made of parts in the program.
  for (const doing of ["exchanging operations with", "making the link to"]) given.add(`${doing} $`);
  for (const webrtc of ["yes", "no"]) given.add(`WebSocket: yes, WebRTC: ${webrtc}`);
  expect(Object.keys(de.reasons).filter((template) => !given.has(plain(template)))).toEqual([]);
});

test("every line of the connection check has German words", async () => {
  const source = await readFile(new URL("crdt-room/src/doctor.rs", ROOT), "utf8");
  const known = new Set(Object.keys(de.reasons).map(plain));
  // The advice, which begins with a capital letter, is shown in the page's own words, and so is the verdict.
  const verdicts = new Set(["connected; nobody else is in the room", "all is well"]);
  const lines = stringsIn(source).filter((text) => /^[a-z$].* /.test(text) && !verdicts.has(text));
  expect(lines.length).toBeGreaterThan(15);
  const missing = lines.filter((text) => !known.has(text) && !known.has(`${text} $`));
  expect(missing).toEqual(["$ $"]);
});

describe("in German", () => {
  test.each([
    ["the server answers", "der Server antwortet"],
    ["connected to 1 of 2 servers", "mit 1 von 2 Servern verbunden"],
    ["making the link to Quiet Koala~123456", "die Verbindung zu Quiet Koala~123456 wird hergestellt"],
    ["Ada~123456: the peer did not answer the offer", "Ada~123456: die andere Seite antwortet nicht"],
    [
      "2 others in the room; no server keeps the document: the signaling server keeps no rooms",
      "weitere im Raum: 2; kein Server bewahrt den Text auf: der Server bewahrt keine Räume auf",
    ],
    [
      "this environment has no WebRTC, the peer has no key for the relay, and it is no page of this browser",
      "dieser Browser hat kein WebRTC, die andere Seite hat keinen Schlüssel für den Weg über den Server, und es ist keine Seite dieses Browsers",
    ],
  ])("%s", (english, german) => {
    expect(reasonText(english, de)).toBe(german);
    expect(reasonText(english, en)).toBe(english);
  });

  test("nothing English is left of a reason without words, nor of one with such a part", () => {
    expect(reasonText("it failed", de)).toBeNull();
    expect(reasonText("Ada~123456: it failed", de)).toBeNull();
    expect(reasonText("it failed", en)).toBe("it failed");
  });

  test("a reason of hostile length costs no time", () => {
    expect(reasonText(", ".repeat(50_000), de)).toBeNull();
  });
});
