import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { test } from "../src/stage.js";
import type { Tab } from "../src/tab.js";

interface Trace {
  edits: [position: number, deleted: number, inserted: string][];
  endContent: string;
}

/** Makes one edit as a person does: go there, select, delete, type. */
async function make(tab: Tab, [position, deleted, inserted]: Trace["edits"][number]): Promise<void> {
  await tab.select(position, position + deleted);
  if (deleted > 0) await tab.press("Backspace");
  if (inserted !== "") await tab.type(inserted);
}

test("a whole history of editing, typed in one tab, arrives character for character", async ({ stage }) => {
  const file = new URL("../data/garden_diary.json", import.meta.url);
  const trace = JSON.parse(await readFile(file, "utf8")) as Trace;
  expect(trace.edits.length).toBeGreaterThan(200);

  const [ada, bob] = await stage.connectedTabs("Ada", "Bob");
  let text = "";
  for (const [index, edit] of trace.edits.entries()) {
    await make(ada!, edit);
    const [position, deleted, inserted] = edit;
    text = text.slice(0, position) + inserted + text.slice(position + deleted);
    // On the way too, so that a slip is found where it is made.
    if (index % 50 === 0) await bob!.shows(text);
  }
  expect(text).toBe(trace.endContent);
  for (const tab of [ada!, bob!]) await tab.shows(trace.endContent);
}, 240_000);
