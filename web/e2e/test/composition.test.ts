// Input methods, while others write: what they compose arrives whole, wherever the others are.
import type { CDPSession } from "playwright-core";
import { describe, expect } from "vitest";
import { test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

/** The text before each row: the input method composes between the two spaces. */
const BEFORE = "above\nsay  here\nbelow";
const PLACE = BEFORE.indexOf("  ") + 1;

/** What the other one selects and types, in a text with `にほ` at the place, and the text in the end. */
const PLACES: [name: string, from: number, to: number, typed: string, after: string][] = [
  ["at the start of the text", 0, 0, "X", "Xabove\nsay 日本 here\nbelow"],
  ["in a line above", 3, 3, "X", "aboXve\nsay 日本 here\nbelow"],
  ["a new line above", 5, 5, "\n", "above\n\nsay 日本 here\nbelow"],
  ["at the start of the line", 6, 6, "X", "above\nXsay 日本 here\nbelow"],
  ["right before it", 10, 10, "X", "above\nsay X日本 here\nbelow"],
  ["right after it", 12, 12, "X", "above\nsay 日本X here\nbelow"],
  ["later in the line", 15, 15, "X", "above\nsay 日本 heXre\nbelow"],
  ["at the end of the line", 17, 17, "X", "above\nsay 日本 hereX\nbelow"],
  ["in a line below", 20, 20, "X", "above\nsay 日本 here\nbeXlow"],
  ["at the end of the text", 23, 23, "X", "above\nsay 日本 here\nbelowX"],
  ["over a word before it", 6, 9, "tell", "above\ntell 日本 here\nbelow"],
  ["over a word after it", 13, 17, "X", "above\nsay 日本 X\nbelow"],
];

/** The keyboard of a tab, as an input method uses it. */
class InputMethod {
  readonly #devtools: CDPSession;

  private constructor(devtools: CDPSession) {
    this.#devtools = devtools;
  }

  static async of(tab: Tab): Promise<InputMethod> {
    return new InputMethod(await tab.page.context().newCDPSession(tab.page));
  }

  /** Shows provisional text in the place of the one before. */
  async compose(text: string): Promise<void> {
    const at = text.length;
    await this.#devtools.send("Input.imeSetComposition", { text, selectionStart: at, selectionEnd: at });
  }

  /** Puts the text down in the place of the provisional one. */
  async commit(text: string): Promise<void> {
    await this.#devtools.send("Input.insertText", { text });
  }
}

/** Puts a text in the place of the one before, in both tabs. */
async function startWith(tab: Tab, other: Tab, text: string): Promise<void> {
  await tab.press("Control+a");
  await tab.page.keyboard.press("Delete");
  await tab.insert(text);
  for (const one of [tab, other]) await one.shows(text);
}

describe.each([
  ["on a desktop", false],
  ["on Android", true],
])("%s", (_device, android) => {
  test("what others write anywhere leaves nothing provisional behind", async ({ stage }) => {
    const link = stage.newRoom();
    const [ada, bob] = [await stage.tab(link, "Ada", { android }), await stage.tab(link, "Bob")];
    for (const tab of [ada, bob]) await tab.connect();
    for (const tab of [ada, bob]) await tab.seesPeers(1);
    const keyboard = await InputMethod.of(ada);
    for (const [name, from, to, typed, after] of PLACES) {
      await startWith(ada, bob, BEFORE);
      await ada.select(PLACE);
      await keyboard.compose("に");
      await keyboard.compose("にほ");
      await bob.shows(BEFORE.replace("  ", " にほ "));
      await bob.select(from, to);
      await bob.type(typed);
      const withTyped = after.replace("日本", "にほ");
      await bob.shows(withTyped);
      await keyboard.compose("にほん");
      await bob.shows(after.replace("日本", "にほん"));
      await keyboard.commit("日本");
      for (const tab of [ada, bob]) {
        await expect.poll(() => tab.text(), { timeout: PATIENCE_MS, message: name }).toBe(after);
      }
    }
  }, 180_000);

  test("words that are composed one after the other, while someone types in another line", async ({ stage }) => {
    const link = stage.newRoom();
    const [ada, bob] = [await stage.tab(link, "Ada", { android }), await stage.tab(link, "Bob")];
    for (const tab of [ada, bob]) await tab.connect();
    for (const tab of [ada, bob]) await tab.seesPeers(1);
    await startWith(ada, bob, "first\n");
    await ada.select("first\n".length);
    await bob.select("first".length);
    const keyboard = await InputMethod.of(ada);
    const theirs = bob.type(" of all, and some more", 40);
    for (const word of ["my", "world", "is", "wide"]) {
      for (let end = 1; end <= word.length; end += 1) await keyboard.compose(word.slice(0, end));
      await keyboard.commit(word);
      await keyboard.commit(" ");
    }
    await theirs;
    for (const tab of [ada, bob]) await tab.shows("first of all, and some more\nmy world is wide ");
  });
});
