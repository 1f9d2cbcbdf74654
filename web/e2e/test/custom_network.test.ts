import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { openPackagePage, repository } from "../src/package_page.js";
import { test } from "../src/stage.js";

/** The snippet, as it stands in the README. */
async function snippet(): Promise<string> {
  const readme = await readFile(new URL("README.md", repository), "utf8");
  const blocks = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code ?? "");
  const [found, ...others] = blocks.filter((code) => code.includes("myTransport.onMessage"));
  expect(others).toEqual([]);
  if (found === undefined) throw new Error("README.md has no code block with myTransport");
  return found;
}

test("the custom network layer of the README runs as written", async ({ stage }) => {
  const page = await openPackagePage(stage);
  const result = await page.evaluate(async (code) => {
    const { crdt } = globalThis;
    const layer = new Function("crdt", "handle", "myTransport", "updateUI", code);
    const { port1, port2 } = new MessageChannel();
    const sides = [
      { handle: crdt.create_document("alice"), port: port1, shown: "" },
      { handle: crdt.create_document("bob"), port: port2, shown: "" },
    ];
    crdt.insert(sides[0]!.handle, 0, "Hello from alice 🦊. ");
    crdt.insert(sides[1]!.handle, 0, "Hello from bob 🐻. ");

    await Promise.all(
      sides.map(
        (side) =>
          new Promise<void>((updated) => {
            const transport = {
              send: (data: unknown) => side.port.postMessage(data),
              onMessage: (listener: (data: unknown) => void) => {
                side.port.onmessage = (event) => listener(event.data);
              },
            };
            layer(crdt, side.handle, transport, () => {
              side.shown = crdt.get_text(side.handle);
              updated();
            });
          }),
      ),
    );
    const frontiers = sides.map((side) => crdt.get_frontier_json(side.handle));
    const operations = sides.map((side) => crdt.get_operations_json(side.handle));
    return { texts: sides.map((side) => side.shown), frontiers, operations };
  }, await snippet());

  const [text] = result.texts;
  expect(result.texts[1]).toBe(text);
  expect([
    "Hello from alice 🦊. Hello from bob 🐻. ",
    "Hello from bob 🐻. Hello from alice 🦊. ",
  ]).toContain(text);
  expect(result.frontiers[1]).toBe(result.frontiers[0]);
  expect(result.operations[1]).toBe(result.operations[0]);
});
