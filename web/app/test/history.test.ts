import { readFile } from "node:fs/promises";
import init, { Document } from "crdt-wasm";
import { beforeAll, expect, test } from "vitest";
import { Playback } from "../src/history/playback.js";

beforeAll(async () => {
  const wasm = new URL("../../../crdt-wasm/pkg/crdt_wasm_bg.wasm", import.meta.url);
  await init({ module_or_path: await readFile(wasm) });
});

/** Random numbers that are the same each time. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % limit;
  };
}

/** Some people who edit at the same time, and meet now and then. */
function writtenBy(names: string[], rounds: number): Document[] {
  const random = numbers(names.length);
  const all = names.map((name) => new Document({ name }));
  for (let round = 0; round < rounds; round += 1) {
    const one = all[random(all.length)]!;
    if (random(8) === 0) one.merge(all[random(all.length)]!.encodeSince(one.version()));
    const at = random(one.length + 1);
    if (random(4) === 0) one.deleteRange(at, Math.min(one.length - at, random(4)));
    else one.insert(at, ["word ", "\n", "😀", "two\nlines"][random(4)]!);
  }
  for (const one of all) for (const other of all) one.merge(other.encodeSince(one.version()));
  for (const one of all) for (const other of all) one.merge(other.encodeSince(one.version()));
  return all;
}

test("every moment is the text at its version, whichever way one gets there", async () => {
  const [ada, ben] = writtenBy(["Ada", "Ben", "Cleo"], 300);
  const playback = await Playback.read(ada!, null, () => {});
  expect(playback.at(0).text.toString()).toBe("");
  expect(playback.at(playback.length).text.toString()).toBe(ada!.getText());
  expect([...playback.people].sort()).toEqual(["Ada", "Ben", "Cleo"]);
  const random = numbers(9);
  let before = 0;
  for (let round = 0; round < 60; round += 1) {
    const step = random(playback.length + 1);
    const { text, codes } = playback.at(step);
    // Every replica has the same one.
    expect(ben!.textAt(playback.version(step))).toBe(text.toString());
    expect(codes.lines).toBe(text.lines);
    expect(codes.length).toBe(text.length);
    if (step >= before) {
      expect(playback.changes(before, step).apply(playback.at(before).text).eq(text)).toBe(true);
    }
    before = step;
  }
});

test("the text at the end has the authors that the document names", async () => {
  const [ada] = writtenBy(["Ada", "Ben"], 200);
  const playback = await Playback.read(ada!, null, () => {});
  const codes = playback.at(playback.length).codes.toString();
  for (const { from, to, name } of ada!.blame()) {
    for (let at = from; at < to; at += 1) {
      if (codes[at] === "\n") continue;
      expect(playback.authorOfCode(codes.charCodeAt(at))?.name).toBe(name);
    }
  }
});

test("a version that is asked for is one of the moments", async () => {
  const [ada, ben] = writtenBy(["Ada", "Ben"], 100);
  ada!.insert(0, "here alone ");
  const version = ada!.version();
  const text = ada!.getText();
  ben!.insert(0, "there alone ");
  await expect(Playback.read(ben!, version, () => {})).rejects.toMatchObject({ code: "unknown_event" });
  ben!.merge(ada!.encodeSince(ben!.version()));
  const playback = await Playback.read(ben!, version, () => {});
  expect(playback.at(playback.start).text.toString()).toBe(text);
  expect(playback.version(playback.start).equals(version)).toBe(true);
  expect(playback.at(playback.length).text.toString()).toBe(ben!.getText());
});

test("a history without its first edits is refused", async () => {
  const whole = new Document({ name: "Ada" });
  whole.insert(0, "old");
  const shallow = Document.openVerified(whole.saveShallow());
  shallow.insert(3, " new");
  await expect(Playback.read(shallow, null, () => {})).rejects.toMatchObject({ code: "too_old" });
});

test("a long history has so many steps as a slider can show", async () => {
  const pasted = new Document({ name: "Ada" });
  pasted.insert(0, "0123456789".repeat(10_000));
  const playback = await Playback.read(pasted, null, () => {});
  expect(playback.length).toBe(20_000);
  expect(playback.at(7).text.length).toBe(35);
});
