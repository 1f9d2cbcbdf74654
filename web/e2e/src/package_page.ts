import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import type { Stage } from "./stage.js";

type Package = typeof import("crdt-wasm");

declare global {
  // Set by the page below.
  var crdt: Package;
}

export const repository = new URL("../../../", import.meta.url);
const FOLDER = "/package/";
const PAGE = `<!doctype html><script type="module">
  import init, * as crdt from "./crdt_wasm.js";
  await init();
  globalThis.crdt = crdt;
</script>`;

/** A page that has the package and nothing else of this project, but for `files` by their names. */
export async function openPackagePage(
  stage: Stage,
  files: Record<string, string> = {},
): Promise<Page> {
  const { page } = await stage.emptyTab();
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
