import { expect } from "vitest";
import { chord, type RemotePage, typing } from "./remote_page.js";
import { PATIENCE_MS, shownText } from "./tab.js";

/** The same for a page that is opened: these browsers are busy with themselves after their start. */
const FIRST_PATIENCE_MS = 3 * PATIENCE_MS;

/** One tab with the app in it, as `Tab`, in a browser that Playwright does not drive. */
export class RemoteTab {
  readonly page: RemotePage;

  private constructor(page: RemotePage) {
    this.page = page;
  }

  /** Opens the room's link, by which the page connects, and waits until its document is there. */
  static async open(page: RemotePage, link: string): Promise<RemoteTab> {
    const tab = new RemoteTab(page);
    await page.goto(link);
    await tab.isOpen();
    return tab;
  }

  /** Waits until the page has its document. */
  async isOpen(): Promise<void> {
    await this.becomes(
      () => document.querySelector("#text[aria-busy=false]") !== null,
      true,
      FIRST_PATIENCE_MS,
    );
  }

  /** Loads the page again once its text is stored, and waits until its document is there. */
  async reload(): Promise<void> {
    await this.becomes(
      () => document.querySelector<HTMLElement>("#saving")?.dataset["state"],
      "saved",
    );
    await this.page.reload();
    await this.isOpen();
  }

  /** Presses the keys for a text. */
  async type(text: string): Promise<void> {
    await this.focus();
    await this.page.keys(typing(text));
  }

  /** Presses a key, or several at once: `Control+z`. */
  async press(keys: string): Promise<void> {
    await this.focus();
    await this.page.keys(chord(keys));
  }

  /** Goes to the text, where the caret was. */
  async focus(): Promise<void> {
    await this.page.evaluate(() => document.querySelector<HTMLElement>(".cm-content")!.focus());
  }

  /** Waits until the editor shows the text. */
  async shows(text: string): Promise<void> {
    await this.becomes(shownText, text);
  }

  /** Waits until the status line says so many, and the list of people says how each is reached. */
  async sees(...how: string[]): Promise<void> {
    const { length } = how;
    await this.becomes(
      () => document.querySelector("[role=status]")?.textContent,
      `Connected (${length} peer${length === 1 ? "" : "s"})`,
    );
    await this.becomes(
      () =>
        Array.from(document.querySelectorAll("#peers .how"), (one) => one.textContent)
          .slice(1)
          .sort(),
      how.sort(),
    );
  }

  /** Waits until what a function returns in the page is this. */
  async becomes<T>(read: () => T, expected: T, timeout = PATIENCE_MS): Promise<void> {
    await expect.poll(() => this.page.evaluate(read), { timeout }).toEqual(expected);
  }
}
