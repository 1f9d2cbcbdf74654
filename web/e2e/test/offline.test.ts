// The app as a browser keeps it: opened without a server, and replaced by a new version when that is wanted.
import { createServer, type Server as HttpServer } from "node:http";
import { once } from "node:events";
import { expect } from "vitest";
import { Server } from "../src/server.js";
import { type Stage, test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

/** What the browser writes to the console where it looks for a new version, and no server answers. */
const NO_SERVER = /ERR_CONNECTION_REFUSED|Failed to load resource|service worker script/;

/** A tab of a browser that keeps the app. */
async function keepingTab(stage: Stage, link: string): Promise<Tab> {
  const tab = await stage.tab(link, "Ada");
  await tab.page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  return tab;
}

async function saved(tab: Tab): Promise<void> {
  const saving = tab.page.locator("#saving");
  await expect.poll(() => saving.getAttribute("data-state"), { timeout: PATIENCE_MS }).toBe("saved");
}

test("the app opens from a link without a server, with the text, and goes on when there is one", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const ada = await keepingTab(stage, link);
  await ada.type("Still here.");
  await saved(ada);
  const { port } = stage.server;
  await stage.server.crash();
  const again = await stage.emptyTab({ beside: ada });
  await ada.close();
  await again.open(link, "Ada");
  await again.shows("Still here.");
  await again.press("Control+End");
  await again.type(" Written offline.");
  await saved(again);
  await again.page.reload();
  await again.shows("Still here. Written offline.");

  // A room that was never opened, and one in the query.
  const other = await stage.tab(stage.newRoom(), "Ada", { beside: again });
  await other.type("Another room.");
  await other.shows("Another room.");

  stage.server = await Server.start(port);
  const ben = await stage.tab(link, "Ben");
  for (const tab of [again, ben]) await tab.connect();
  await ben.shows("Still here. Written offline.");
  for (const tab of [again, other]) tab.forgive(NO_SERVER);
});

test("browsers ask again for what may change, and keep what cannot", async ({ stage }) => {
  const page = await (await fetch(stage.server.url)).text();
  const [, script = ""] = /src="([^"]+)"/.exec(page) ?? [];
  expect(script).toMatch(/^\/assets\//);
  for (const [path, caching] of [
    ["/", "no-cache"],
    ["/worker.js", "no-cache"],
    [script, "public, max-age=31536000, immutable"],
  ] as const) {
    const { headers, status } = await fetch(new URL(path, stage.server.url));
    expect([path, status, headers.get("cache-control")]).toEqual([path, 200, caching]);
    expect(headers.get("content-security-policy")).toContain("worker-src 'self'");
  }
});

/** The server's app, on a port of its own; a new version of it once `publish` is called. */
class Publisher {
  readonly #http: HttpServer;
  #isNew = false;

  private constructor(app: string) {
    this.#http = createServer((request, response) => {
      void this.#answer(app, request.url ?? "/").then(({ status, headers, body }) => {
        response.writeHead(status, headers).end(body);
      });
    });
  }

  static async start(app: string): Promise<Publisher> {
    const publisher = new Publisher(app);
    publisher.#http.listen(0, "127.0.0.1");
    await once(publisher.#http, "listening");
    return publisher;
  }

  get url(): string {
    const address = this.#http.address();
    if (address === null || typeof address === "string") throw new Error("it does not listen");
    return `http://127.0.0.1:${address.port}`;
  }

  /** From now on there are other scripts, under other names, and a page that says so. */
  publish(): void {
    this.#isNew = true;
  }

  async stop(): Promise<void> {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, "close");
  }

  async #answer(app: string, path: string) {
    const name = this.#isNew ? path.replace("/assets/new-", "/assets/") : path;
    const found = await fetch(new URL(name, app));
    const headers = new Headers(found.headers);
    for (const header of ["content-encoding", "content-length", "etag"]) headers.delete(header);
    let body: string | Buffer = Buffer.from(await found.arrayBuffer());
    if (this.#isNew && /html|javascript/.test(headers.get("content-type") ?? "")) {
      body = body
        .toString()
        // They import each other, so all of them have new names.
        .replaceAll(/(assets|\.)\/(?=[\w-]+-[\w-]{8}\.js)/g, "$1/new-")
        .replaceAll("Write together", "Write together, anew")
        // Its list of files: the page is another one.
        .replaceAll(/(\/index\.html[`"],revision:[`"])/g, "$1new");
    }
    return { status: found.status, headers: Object.fromEntries(headers), body };
  }
}

const title = (tab: Tab) => tab.page.getByRole("heading", { level: 1 }).textContent();

test("a new version is offered, and not forced", async ({ stage }) => {
  const publisher = await Publisher.start(stage.server.url);
  const link = `${publisher.url}/#room=garden&key=${"k".repeat(22)}`;
  const ada = await keepingTab(stage, link);
  await ada.type("Written with the old version.");
  await saved(ada);
  const offer = ada.page.locator("#update");
  expect(await offer.isVisible()).toBe(false);

  publisher.publish();
  const other = await stage.tab(link, "Ada", { beside: ada });
  for (const tab of [ada, other]) await tab.page.locator("#update").waitFor();
  expect(await offer.textContent()).toContain("A new version of this page is there.");
  // The page goes on, and so does one that is opened or loaded again.
  expect(await title(other)).toBe("Write together");
  await other.page.reload();
  expect(await title(other)).toBe("Write together");
  await other.page.locator("#update").waitFor();
  await ada.press("Control+End");
  await ada.type(" Not lost.");
  await other.shows("Written with the old version. Not lost.");

  await other.page.evaluate(() => Object.assign(globalThis, { isOld: true }));
  await ada.page.getByRole("button", { name: "Load it" }).click();
  await expect.poll(() => title(ada), { timeout: PATIENCE_MS }).toBe("Write together, anew");
  await ada.shows("Written with the old version. Not lost.");
  expect(await offer.isVisible()).toBe(false);

  // The other tab was not taken along, and follows when it is asked to.
  expect(await other.page.evaluate(() => "isOld" in globalThis)).toBe(true);
  expect(await title(other)).toBe("Write together");
  await other.page.getByRole("button", { name: "Load it" }).click();
  await expect.poll(() => title(other), { timeout: PATIENCE_MS }).toBe("Write together, anew");
  await other.shows("Written with the old version. Not lost.");
  await publisher.stop();
});
