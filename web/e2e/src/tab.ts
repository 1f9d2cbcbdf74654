import type { CDPSession, Locator, Page } from "playwright-core";
import { expect } from "vitest";

/** How long something may take that takes moments on an idle machine. */
export const PATIENCE_MS = 30_000;

/** In a page: the text that the editor shows. */
export function shownText(): string {
  if (document.querySelector(".cm-placeholder") !== null) return "";
  const lines = document.querySelectorAll(".cm-content > .cm-line");
  return Array.from(lines, (line) => line.textContent ?? "").join("\n");
}

/** What Chromium writes to the console where no server answers: for a WebSocket, and for what is tried in its place. */
export const NO_SERVER = /WebSocket connection to .* failed|net::ERR_(CONNECTION|INTERNET|EMPTY)_/;


/** One browser tab with the app in it, used as a person uses it. */
export class Tab {
  readonly page: Page;
  /** What the page complained of: errors nobody caught, and what it wrote to the console as one. */
  readonly complaints: string[] = [];

  #devtools: Promise<CDPSession> | null = null;

  constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
  }

  /** Forgets complaints that belong to the test. */
  forgive(expected: RegExp): void {
    const others = this.complaints.filter((complaint) => !expected.test(complaint));
    this.complaints.splice(0, this.complaints.length, ...others);
  }

  /** Opens the room's link, in a tab that was disconnected before, and waits until its document is there. */
  async open(link: string, name: string): Promise<void> {
    await this.page.addInitScript(() => sessionStorage.setItem("offline", "yes"));
    await this.page.goto(link);
    await this.isOpen();
    await this.page.getByLabel("Your name").fill(name);
  }

  /** Waits until the page has its document. */
  async isOpen(): Promise<void> {
    await this.page.locator("#text[aria-busy=false]").waitFor();
  }

  /** Goes to the text, where the caret was. */
  async focus(): Promise<void> {
    await this.#editor.focus();
  }

  async connect(): Promise<void> {
    await this.page.getByRole("button", { name: "Connect to Network" }).click();
  }

  async disconnect(): Promise<void> {
    await this.page.getByText("Menu", { exact: true }).click();
    await this.page.getByRole("button", { name: "Disconnect" }).click();
  }

  /** What the status line says. */
  async status(): Promise<string> {
    return (await this.page.getByRole("status").textContent()) ?? "";
  }

  /** Takes the network away, or gives it back, as the developer tools do. */
  async setNetwork(network: "there" | "gone"): Promise<void> {
    this.#devtools ??= this.page.context().newCDPSession(this.page);
    const devtools = await this.#devtools;
    await devtools.send("Network.enable");
    await devtools.send("Network.emulateNetworkConditions", {
      offline: network === "gone",
      // Without a delay the tools leave WebRTC alone, and so they do with connections made before.
      latency: 1,
      downloadThroughput: -1,
      uploadThroughput: -1,
    });
  }

  /** Kills the page's process. */
  async crash(): Promise<void> {
    const devtools = await this.page.context().newCDPSession(this.page);
    const crashed = this.page.waitForEvent("crash");
    // Nobody is left to answer.
    void devtools.send("Page.crash").catch(() => {});
    await crashed;
  }

  /** What the connection check says: its verdict, and the stages that fail. */
  async diagnosis(): Promise<{ verdict: string; failing: string[] }> {
    const panel = this.page.locator("#doctor");
    const verdict = (await panel.locator(".verdict").textContent()) ?? "";
    const failing = panel.locator("li[data-outcome=fails]");
    const stages = await failing.evaluateAll((all) => all.map((one) => one.dataset["stage"] ?? ""));
    return { verdict, failing: stages };
  }

  /** The names in the list of who is here, this tab's first. */
  async people(): Promise<string[]> {
    return this.page.locator("#peers .who").allTextContents();
  }

  /** Waits until the status line says so and everybody in the list is up to date. */
  async seesPeers(count: number): Promise<void> {
    const expected = `Connected (${count} peer${count === 1 ? "" : "s"})`;
    await expect.poll(() => this.status(), { timeout: PATIENCE_MS }).toBe(expected);
    const upToDate = this.page.locator("#peers .how", { hasText: "up to date" });
    await expect.poll(() => upToDate.count(), { timeout: PATIENCE_MS }).toBe(count);
  }

  /** The text that the editor shows. */
  async text(): Promise<string> {
    return this.page.evaluate(shownText);
  }

  /** Waits until the editor shows the text. */
  async shows(text: string): Promise<void> {
    await expect.poll(() => this.text(), { timeout: PATIENCE_MS }).toBe(text);
  }

  /** Selects from one place in the text to another, counted in UTF-16 units. */
  async select(anchor: number, head = anchor): Promise<void> {
    await this.focus();
    await this.page.evaluate(
      async ([from, to]) => {
        const lines = [...document.querySelectorAll<HTMLElement>(".cm-content > .cm-line")];
        const placeOf = (position: number): [Node, number] => {
          let left = position;
          for (const line of lines) {
            const length = line.textContent?.length ?? 0;
            if (left > length) {
              left -= length + 1;
              continue;
            }
            const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
            for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
              const units = node.textContent?.length ?? 0;
              if (left <= units) return [node, left];
              left -= units;
            }
            return [line, 0];
          }
          throw new Error(`the text has no position ${position}`);
        };
        const [anchorNode, anchorOffset] = placeOf(from);
        const [headNode, headOffset] = placeOf(to);
        getSelection()?.setBaseAndExtent(anchorNode, anchorOffset, headNode, headOffset);
        // The editor hears of it in a task of its own.
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      },
      [anchor, head] as const,
    );
  }

  /** Presses the keys for a text; what no key is for comes as from an input method. */
  async type(text: string, delay = 0): Promise<void> {
    await this.focus();
    await this.page.keyboard.type(text, { delay });
  }

  /** Presses a key, or several at once: `Control+z`. */
  async press(key: string): Promise<void> {
    await this.focus();
    await this.page.keyboard.press(key);
  }

  /** Puts the text in at once, as a paste or an input method does. */
  async insert(text: string): Promise<void> {
    await this.focus();
    await this.page.keyboard.insertText(text);
  }

  async close(): Promise<void> {
    await this.page.close();
  }

  get #editor(): Locator {
    return this.page.locator(".cm-content");
  }
}
