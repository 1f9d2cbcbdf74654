import { type Browser, chromium, type Page } from "playwright-core";
import { expect, test as base } from "vitest";
import { Server } from "./server.js";
import { Tab } from "./tab.js";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
/** Over plain HTTP, pages from this host are as from another machine. */
export const PLAIN_HOST = "plain.test";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Pages that a test makes up count as foreign, and may reach the server all the same.
  "--disable-features=LocalNetworkAccessChecks",
  // A name of this machine that browsers do not trust as they trust `localhost`.
  `--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1`,
  // Peers meet on this machine, and nowhere else.
  "--allow-loopback-in-peer-connection",
];

/** With this, a browser sends nothing by UDP, as if a firewall forbade it. */
const NO_UDP = "--webrtc-ip-handling-policy=disable_non_proxied_udp";

const ANDROID =
  "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36";

export interface TabOptions {
  height?: number;
  /** Another tab of the same browser; left out, it is another person's. */
  beside?: { readonly page: Page };
  /** The firewall lets nothing through but what goes to servers. */
  firewall?: boolean;
  /** The browser calls itself Chromium on Android, where editors take input in another way. */
  android?: boolean;
  /** The language that the browser's user prefers. */
  locale?: string;
}

/** A server and some people's browsers. */
export class Stage {
  server: Server;
  readonly #browser: Browser;
  /** A second browser, started when it is needed first. */
  #behindFirewall: Promise<Browser> | null = null;
  #tabs: Tab[] = [];
  #rooms = 0;

  private constructor(server: Server, browser: Browser) {
    this.server = server;
    this.#browser = browser;
  }

  static async open(): Promise<Stage> {
    const server = await Server.start();
    return new Stage(server, await launch());
  }

  /** A link to a room that nobody has been in, without a key. */
  newRoom(): string {
    this.#rooms += 1;
    return `${this.server.url}/?room=${encodeURIComponent(`room ${this.#rooms}`)}`;
  }

  /** A link to a room that nobody has been in, with a key, as new visitors get it. */
  newSecretRoom(): string {
    this.#rooms += 1;
    const parts = new URLSearchParams({ room: `room ${this.#rooms}`, key: "k".repeat(22) });
    return `${this.server.url}/#${parts.toString()}`;
  }

  /** A tab in the room, not connected. Tall, so that the editor draws all of a text. */
  async tab(link: string, name: string, options: TabOptions = {}): Promise<Tab> {
    const tab = await this.emptyTab(options);
    await tab.open(link, name);
    return tab;
  }

  /** A tab with nothing in it. */
  async emptyTab({
    height = 3000,
    beside,
    firewall = false,
    android = false,
    locale = "en-US",
  }: TabOptions = {}): Promise<Tab> {
    const browser = firewall ? await (this.#behindFirewall ??= launch(NO_UDP)) : this.#browser;
    // A context is to the pages in it what a browser with a profile of its own is.
    const context =
      beside?.page.context() ??
      (await browser.newContext({
        permissions: ["clipboard-read", "clipboard-write"],
        locale,
        ...(android ? { userAgent: ANDROID } : {}),
      }));
    const page = await context.newPage();
    await page.setViewportSize({ width: 1000, height });
    const tab = new Tab(page);
    this.#tabs.push(tab);
    return tab;
  }

  /** Tabs in one new room, each connected to every other. */
  async connectedTabs(...names: string[]): Promise<Tab[]> {
    const link = this.newRoom();
    const tabs = await Promise.all(names.map((name) => this.tab(link, name)));
    for (const tab of tabs) await tab.connect();
    for (const tab of tabs) await tab.seesPeers(names.length - 1);
    return tabs;
  }

  /** Forgets complaints that belong to the test. */
  forgive(expected: RegExp): void {
    for (const tab of this.#tabs) tab.forgive(expected);
  }

  /** Closes the tabs of one test, none of which may have complained. */
  async clear(): Promise<void> {
    const tabs = this.#tabs;
    this.#tabs = [];
    for (const browser of await this.#browsers()) {
      for (const context of browser.contexts()) await context.close();
    }
    expect(tabs.flatMap((tab) => tab.complaints)).toEqual([]);
  }

  /** Ends everything. */
  async close(): Promise<void> {
    for (const browser of await this.#browsers()) await browser.close();
    expect(await this.server.stop()).toBe(0);
  }

  async #browsers(): Promise<Browser[]> {
    return this.#behindFirewall === null
      ? [this.#browser]
      : [this.#browser, await this.#behindFirewall];
  }
}

function launch(...flags: string[]): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, ...flags] });
}

/** `test` with a stage: one a file, cleared after each test. */
export const test = base.extend<{ theatre: Stage; stage: Stage }>({
  theatre: [
    async ({}, use) => {
      const theatre = await Stage.open();
      await use(theatre);
      await theatre.close();
    },
    { scope: "file" },
  ],
  stage: async ({ theatre }, use) => {
    await use(theatre);
    await theatre.clear();
  },
});
