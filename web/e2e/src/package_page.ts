import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import type { Stage } from "./stage.js";

type Package = typeof import("crdt-wasm");
type Storage = typeof import("crdt-wasm/storage");

declare global {
  // Set by the page below.
  var crdt: Package;
  var storage: Storage;
}

export const repository = new URL("../../../", import.meta.url);
const FOLDER = "/package/";
const PAGE = `<!doctype html><script type="module">
  import init, * as crdt from "./crdt_wasm.js";
  import * as storage from "./storage/index.js";
  await init();
  Object.assign(globalThis, { crdt, storage });
</script>`;

/**
 * A page that has the package and nothing else of this project, but for `files` by their names; in the same
 * browser as `beside`, if that is given.
 */
export async function openPackagePage(
  stage: Stage,
  files: Record<string, string> = {},
  beside?: Page,
): Promise<Page> {
  const { page } = await stage.emptyTab(beside === undefined ? {} : { beside: { page: beside } });
  await page.route(`${stage.server.url}${FOLDER}**`, async (route) => {
    const name = new URL(route.request().url()).pathname.slice(FOLDER.length);
    if (name === "") {
      await route.fulfill({ contentType: "text/html", body: PAGE });
    } else if (name in files) {
      await route.fulfill({ contentType: "application/json", body: files[name]! });
    } else {
      const path = fileURLToPath(new URL(`crdt-wasm/pkg/${name}`, repository));
      await route.fulfill({ path });
    }
  });
  await page.goto(`${stage.server.url}${FOLDER}`);
  await page.waitForFunction(() => "crdt" in globalThis);
  return page;
}
