import { expect } from "vitest";
import { test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

/** Where a caret with this name is drawn, in units of the text; `null` where there is none. */
async function caretOf(tab: Tab, name: string): Promise<number | null> {
  return tab.page.evaluate((wanted) => {
    const carets = [...document.querySelectorAll<HTMLElement>(".cm-remoteCursor")];
    const caret = carets.find((one) => one.textContent === wanted);
    const text = document.querySelector(".cm-line")?.firstChild;
    if (caret === undefined || !(text instanceof Text)) return null;
    const { left } = caret.getBoundingClientRect();
    const range = document.createRange();
    for (let at = 0; at <= text.length; at += 1) {
      range.setStart(text, at);
      range.collapse(true);
      if (Math.abs(range.getBoundingClientRect().left - left) < 3) return at;
    }
    return null;
  }, name);
}

async function seesCaret(tab: Tab, name: string, at: number | null): Promise<void> {
  await expect.poll(() => caretOf(tab, name), { timeout: PATIENCE_MS }).toBe(at);
}

test("everybody sees where the others are, by name, until they leave", async ({ stage }) => {
  const [ada, ben] = (await stage.connectedTabs("Ada", "Ben")) as [Tab, Tab];
  await ada.type("one two three");
  await ben.shows("one two three");
  await ada.select(7);
  await seesCaret(ben, "Ada", 7);

  await ben.select(0);
  await ben.type("so: ");
  await seesCaret(ben, "Ada", 11);
  await seesCaret(ada, "Ben", 4);
  await ada.type("!!");
  await seesCaret(ben, "Ada", 13);

  await ada.select(4, 7);
  await expect
    .poll(() => ben.page.locator(".cm-remoteSelection").count(), { timeout: PATIENCE_MS })
    .toBe(1);
  const [drawn, word] = await ben.page.evaluate(() => {
    const range = document.createRange();
    const text = document.querySelector(".cm-line")!.firstChild!;
    range.setStart(text, 4);
    range.setEnd(text, 7);
    const tint = document.querySelector(".cm-remoteSelection")!;
    return [tint, range].map((one) => Math.round(one.getBoundingClientRect().width));
  });
  expect(Math.abs(drawn! - word!)).toBeLessThanOrEqual(2);

  // The name is what the page says now, in the list of people too.
  await ada.page.getByLabel("Your name").fill("Ada Lovelace");
  await ada.page.getByLabel("Your name").blur();
  await expect.poll(() => ben.people(), { timeout: PATIENCE_MS }).toEqual(["Ben", "Ada Lovelace"]);
  await seesCaret(ben, "Ada Lovelace", 7);

  await ada.close();
  await ben.seesPeers(0);
  await seesCaret(ben, "Ada Lovelace", null);
  expect(await ben.page.locator(".cm-remoteSelection").count()).toBe(0);
  expect(await ben.people()).toEqual(["Ben"]);
});

test("whose tab is killed leaves no caret behind", async ({ stage }) => {
  const [ada, ben] = (await stage.connectedTabs("Ada", "Ben")) as [Tab, Tab];
  await ada.type("here");
  await seesCaret(ben, "Ada", 4);
  await ada.crash();
  await seesCaret(ben, "Ada", null);
});
