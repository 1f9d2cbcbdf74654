import { expect } from "vitest";
import { test } from "../src/stage.js";
import { PATIENCE_MS } from "../src/tab.js";

const CROWD = 12;
/** Of each member of a large room. */
const MOST_LINKS = 6;

test("twelve people type at once, and nobody is linked to all the others", async ({ stage }) => {
  const link = stage.newRoom();
  const names = Array.from({ length: CROWD }, (_, index) => `P${index}`);
  const tabs = [];
  for (const name of names) {
    const tab = await stage.tab(link, name, { height: 400 });
    await tab.connect();
    tabs.push(tab);
  }
  for (const tab of tabs) {
    await expect.poll(async () => (await tab.people()).length, { timeout: PATIENCE_MS }).toBe(CROWD);
  }
  await Promise.all(tabs.map((tab, index) => tab.type(`${names[index]};`, 10)));

  const length = names.join(";").length + 1;
  for (const tab of tabs) {
    await expect.poll(async () => (await tab.text()).length, { timeout: PATIENCE_MS }).toBe(length);
  }
  const texts = await Promise.all(tabs.map((tab) => tab.text()));
  expect(new Set(texts).size).toBe(1);
  expect(texts[0]!.split(";").slice(0, -1).sort()).toEqual([...names].sort());

  for (const tab of tabs) {
    const direct = tab.page.locator("#peers .how", { hasText: /up to date|catching up/ });
    await expect
      .poll(() => direct.count(), { timeout: PATIENCE_MS })
      .toBeLessThanOrEqual(MOST_LINKS);
    const indirect = tab.page.locator("#peers .how", { hasText: "reached through others" });
    expect((await direct.count()) + (await indirect.count())).toBe(CROWD - 1);
  }
}, 120_000);
