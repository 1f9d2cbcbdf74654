import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { type Stage, test } from "../src/stage.js";

type Package = typeof import("crdt-wasm");

declare global {
  // Set by the page below.
  var crdt: Package;
}

const repository = new URL("../../../", import.meta.url);
const PACKAGE = "/package/";
const PAGE = `<!doctype html><script type="module">
  import init, * as crdt from "./crdt_wasm.js";
  await init();
  globalThis.crdt = crdt;
</script>`;

/** The snippet, as it stands in the README. */
async function snippet(): Promise<string> {
  const readme = await readFile(new URL("README.md", repository), "utf8");
  const blocks = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code ?? "");
  const [found, ...others] = blocks.filter((code) => code.includes("myTransport.onMessage"));
  expect(others).toEqual([]);
  if (found === undefined) throw new Error("README.md has no code block with myTransport");
  return found;
}

/** A page that has the package and nothing else of this project. */
async function openPackagePage(stage: Stage): Promise<Page> {
  const { page } = await stage.emptyTab();
  await page.route(`${stage.server.url}${PACKAGE}**`, async (route) => {
    const name = new URL(route.request().url()).pathname.slice(PACKAGE.length);
    if (name === "") {
      await route.fulfill({ contentType: "text/html", body: PAGE });
    } else {
      const path = fileURLToPath(new URL(`crdt-wasm/pkg/${name}`, repository));
      await route.fulfill({ path });
    }
  });
  await page.goto(`${stage.server.url}${PACKAGE}`);
  await page.waitForFunction(() => "crdt" in globalThis);
  return page;
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
