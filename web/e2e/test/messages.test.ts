import { expect } from "vitest";
import { openPackagePage } from "../src/package_page.js";
import { test } from "../src/stage.js";
import { PATIENCE_MS } from "../src/tab.js";

/** Short messages cross between JavaScript and the module in another way than long ones. */
const LONGEST = 140;

interface Told {
  position: number;
  deleted: number;
  inserted: string;
}

declare global {
  /** Of the page that writes: its document, and how long its messages were. */
  var handle: number;
  var lengths: Set<number>;
  /** Of the page that reads: what it received, an event at a time. */
  var told: Told[][];
}

test("messages of every length arrive over a data channel, and are reported as they are", async ({
  stage,
}) => {
  const link = stage.newRoom();
  const room = new URL(link).searchParams.get("room")!;
  const pages = [await openPackagePage(stage), await openPackagePage(stage)] as const;
  const [writer, reader] = pages;
  for (const [index, page] of pages.entries()) {
    await page.evaluate(
      async ([room, server, name]) => {
        const { crdt } = globalThis;
        globalThis.lengths = new Set();
        const { send } = RTCDataChannel.prototype;
        RTCDataChannel.prototype.send = function (data: unknown) {
          if (data instanceof Uint8Array) globalThis.lengths.add(data.length);
          Reflect.apply(send, this, [data]);
        };
        globalThis.handle = crdt.create_document(name);
        globalThis.told = [];
        const sync = new crdt.NetworkSync(globalThis.handle, name, { room, links: ["webrtc"] });
        sync.on("change", (changes) => globalThis.told.push(changes));
        await sync.connect(server);
        const synced = () => sync.getStatus().links.some((one) => one.synced);
        if (name === "reader") {
          while (!synced()) await new Promise((resolve) => setTimeout(resolve, 20));
        }
      },
      [room, `${stage.server.url.replace("http", "ws")}/ws`, ["writer", "reader"][index]!] as const,
    );
  }
  const texts = [
    ...["x", "é", "字", "🦀"],
    ...Array.from({ length: LONGEST }, (_, index) => "x".repeat(index + 1)),
  ];
  await writer.evaluate(async (texts) => {
    // One after the other, so that each is a message by itself.
    const pause = () => new Promise((resolve) => setTimeout(resolve, 30));
    for (const text of texts) {
      await pause();
      globalThis.crdt.insert(globalThis.handle, 0, text);
    }
    await pause();
    globalThis.crdt.delete_range(globalThis.handle, 1, 1);
  }, texts);
  await expect
    .poll(() => reader.evaluate(() => globalThis.told.length), { timeout: PATIENCE_MS })
    .toBe(texts.length + 1);

  expect(await reader.evaluate(() => globalThis.told)).toEqual([
    ...texts.map((inserted) => [{ position: 0, deleted: 0, inserted }]),
    [{ position: 1, deleted: 1, inserted: "" }],
  ]);
  const text = () => globalThis.crdt.get_text(globalThis.handle);
  expect(await reader.evaluate(text)).toBe(await writer.evaluate(text));
  const lengths = await writer.evaluate(() => [...globalThis.lengths]);
  const around = Array.from({ length: 11 }, (_, index) => 59 + index);
  expect(lengths).toEqual(expect.arrayContaining(around));
});
