import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { build, defaultClientConditions } from "vite";
import { repository } from "./package_page.js";
import type { Stage } from "./stage.js";

type Bindings = typeof import("./bindings_entry.js");
type Package = typeof import("crdt-wasm");

declare global {
  // Set by the page below.
  var bindings: Bindings;
  var crdt: Package;
  // What the page of a test holds: the document, and somebody else's replica of it.
  var replica: import("crdt-wasm").Document;
  var other: import("crdt-wasm").Document;
}

const FOLDER = "/bindings/";
const MONACO = "monaco/";
const PAGE = `<!doctype html>
  <script type="importmap">{ "imports": { "crdt-wasm": "./package/crdt_wasm.js" } }</script>
  <body><script type="module">
    import init, * as crdt from "crdt-wasm";
    import * as bindings from "./bindings.js";
    await init();
    Object.assign(globalThis, { crdt, bindings });
  </script>`;

let bundled: Promise<string> | null = null;

/** The bindings as one module that imports `crdt-wasm`, once for each file of tests. */
async function bundle(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "warn",
    resolve: { conditions: ["source", ...defaultClientConditions] },
    build: {
      write: false,
      lib: {
        entry: fileURLToPath(new URL("bindings_entry.ts", import.meta.url)),
        formats: ["es"],
      },
      rolldownOptions: { external: "crdt-wasm" },
    },
  });
  const [first] = Array.isArray(result) ? result : [result];
  const chunk = first !== undefined && "output" in first ? first.output[0] : undefined;
  if (chunk === undefined) throw new Error("the bindings made no module");
  return chunk.code;
}

/** A page that has the bindings and the package, and nothing else of this project. */
export async function openBindingsPage(stage: Stage): Promise<Page> {
  const code = await (bundled ??= bundle());
  const { page } = await stage.emptyTab({ height: 700 });
  await page.route(`${stage.server.url}${FOLDER}**`, async (route) => {
    const name = new URL(route.request().url()).pathname.slice(FOLDER.length);
    if (name === "") await route.fulfill({ contentType: "text/html", body: PAGE });
    else if (name === "bindings.js") await route.fulfill({ contentType: "text/javascript", body: code });
    else if (name.startsWith(MONACO)) {
      const file = new URL(`web/node_modules/monaco-editor/min/${name.slice(MONACO.length)}`, repository);
      await route.fulfill({ path: fileURLToPath(file) });
    } else {
      const file = new URL(`crdt-wasm/pkg/${name.replace("package/", "")}`, repository);
      await route.fulfill({ path: fileURLToPath(file) });
    }
  });
  await page.goto(`${stage.server.url}${FOLDER}`);
  await page.waitForFunction(() => "bindings" in globalThis);
  return page;
}

/** Somebody else replaces text in `other`, and that arrives in `replica`. */
export async function otherReplaces(page: Page, position: number, deleted: number, text: string): Promise<void> {
  await page.evaluate(
    ([at, length, inserted]) => {
      other.replace(at, length, inserted);
      replica.merge(other.encodeSince(replica.version()));
    },
    [position, deleted, text] as const,
  );
}

/** Loads Monaco into such a page, as `monaco`. */
export async function loadMonaco(page: Page): Promise<void> {
  await page.addScriptTag({ url: `${FOLDER}${MONACO}vs/loader.js` });
  await page.evaluate(async (folder) => {
    const { require: load } = globalThis as unknown as { require: AmdLoader };
    load.config({ paths: { vs: `${folder}vs` } });
    await new Promise((done, failed) => load(["vs/editor/editor.main"], done, failed));
  }, `${FOLDER}${MONACO}`);
}

interface AmdLoader {
  (modules: string[], done: (value: unknown) => void, failed: (error: unknown) => void): void;
  config(options: object): void;
}
