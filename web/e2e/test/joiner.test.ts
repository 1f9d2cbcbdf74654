import { existsSync } from "node:fs";
import { readFile, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { expect } from "vitest";
import { openPackagePage, repository } from "../src/package_page.js";
import { test } from "../src/stage.js";
import { PATIENCE_MS } from "../src/tab.js";

type Patch = [position: number, deleted: number, inserted: string];

interface History {
  patches: Patch[];
  text: string;
}

const TRACES = process.env["TRACES"] ?? fileURLToPath(new URL("../shared/traces", repository));

/** The largest trace that one person typed; where there are no traces, the project's own, often. */
async function largestHistory(): Promise<History> {
  const found = existsSync(TRACES) ? await largestTrace() : null;
  if (found !== null) return found;
  const file = new URL("../data/garden_diary.json", import.meta.url);
  const diary = JSON.parse(await readFile(file, "utf8")) as { edits: Patch[]; endContent: string };
  const times = 500;
  return {
    patches: Array.from({ length: times }, () => diary.edits).flat(),
    // Each time it is written before what is there.
    text: diary.endContent.repeat(times),
  };
}

async function largestTrace(): Promise<History | null> {
  const names = (await readdir(TRACES)).filter((name) => name.endsWith(".json.gz"));
  const files = await Promise.all(
    names.map(async (name) => {
      const file = path.join(TRACES, name);
      return { file, bytes: (await stat(file)).size };
    }),
  );
  files.sort((one, other) => other.bytes - one.bytes);
  for (const { file } of files) {
    const trace = JSON.parse(gunzipSync(await readFile(file)).toString()) as {
      kind?: string;
      endContent: string;
      txns: { patches: Patch[] }[];
    };
    // What several typed at once is not what one types.
    if (trace.kind !== "concurrent") {
      const patches = inUtf16(trace.txns.flatMap(({ patches }) => patches));
      return { patches, text: trace.endContent };
    }
  }
  return null;
}

/** The traces count in code points, and JavaScript counts some of these as two. */
function inUtf16(patches: Patch[]): Patch[] {
  /** Where those stand in the text, which are few. */
  let wide: number[] = [];
  return patches.map(([position, deleted, inserted]) => {
    const end = position + deleted;
    const before = wide.filter((at) => at < position);
    const after = wide.filter((at) => at >= end);
    const patch: Patch = [
      position + before.length,
      deleted + wide.length - before.length - after.length,
      inserted,
    ];
    const characters = [...inserted];
    const come = characters.flatMap((one, index) => (one.length === 2 ? [position + index] : []));
    wide = [...before, ...come, ...after.map((at) => at + characters.length - deleted)];
    return patch;
  });
}

test("who comes late gets a long history, character for character", async ({ stage }) => {
  const { patches, text } = await largestHistory();
  const link = stage.newRoom();
  const room = new URL(link).searchParams.get("room")!;
  const author = await openPackagePage(stage, { "history.json": JSON.stringify(patches) });
  const handle = await author.evaluate(
    async ([room, server]) => {
      const { crdt } = globalThis;
      const edits = (await (await fetch("./history.json")).json()) as Patch[];
      const handle = crdt.create_document("author");
      for (const [position, deleted, inserted] of edits) {
        if (deleted > 0) crdt.delete_range(handle, position, deleted);
        if (inserted !== "") crdt.insert(handle, position, inserted);
      }
      await new crdt.NetworkSync(handle, "author", { room }).connect(server);
      return handle;
    },
    [room, `${stage.server.url.replace("http", "ws")}/ws`] as const,
  );

  const ada = await stage.tab(link, "Ada", { height: 800 });
  await ada.connect();
  await ada.seesPeers(1);
  const count = ada.page.locator("#count");
  const characters = `${[...text].length.toLocaleString("en")} characters`;
  await expect.poll(() => count.textContent(), { timeout: PATIENCE_MS }).toContain(characters);
  // The editor draws only what is in view, and copies all.
  await ada.press("Control+a");
  await ada.press("Control+c");
  const copied = await ada.page.evaluate(() => navigator.clipboard.readText());
  expect(copied === text).toBe(true);

  // And the other way.
  await ada.press("Control+Home");
  await ada.type("late, ");
  const start = () =>
    author.evaluate((handle) => globalThis.crdt.get_text(handle).slice(0, 6), handle);
  await expect.poll(start, { timeout: PATIENCE_MS }).toBe("late, ");
}, 120_000);
