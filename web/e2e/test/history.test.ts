// The history in the app: it is played, coloured, named, compared, restored, and linked to.
import { readFile } from "node:fs/promises";
import axe from "axe-core";
import init, { Document } from "crdt-wasm";
import { expect } from "vitest";
import type { Locator } from "playwright-core";
import { test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

async function openHistory(tab: Tab): Promise<void> {
  await tab.page.getByText("Menu", { exact: true }).click();
  await tab.page.getByRole("button", { name: "History", exact: true }).click();
  await ready(tab);
}

async function ready(tab: Tab): Promise<void> {
  await expect
    .poll(() => tab.page.getByRole("button", { name: "Play" }).isEnabled(), { timeout: PATIENCE_MS })
    .toBe(true);
}

function slider(tab: Tab): Locator {
  return tab.page.getByRole("slider", { name: "Moment" });
}

async function shows(tab: Tab, text: string): Promise<void> {
  const lines = tab.page.locator("#history .cm-content");
  await expect.poll(() => lines.innerText(), { timeout: PATIENCE_MS }).toBe(text);
}

/** Waits until the address names a moment, and returns it. */
async function linkOf(tab: Tab): Promise<string> {
  await expect.poll(() => tab.page.url(), { timeout: PATIENCE_MS }).toMatch(/[#&]at=/);
  return tab.page.url();
}

test("a history shows who wrote what; versions are named, compared, restored and linked to", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const [ada, ben] = [await stage.tab(link, "Ada"), await stage.tab(link, "Ben")];
  for (const tab of [ada, ben]) {
    await tab.page.getByLabel("Your name").press("Tab");
    // The history has the name under which the page was loaded.
    await tab.page.reload();
    await tab.page.locator(".cm-content").waitFor();
    await tab.connect();
  }
  for (const tab of [ada, ben]) await tab.seesPeers(1);
  await ada.type("Peas");
  await ben.shows("Peas");
  await ben.press("Control+End");
  await ben.type(" and beans");
  for (const tab of [ada, ben]) await tab.shows("Peas and beans");

  await openHistory(ada);
  await shows(ada, "Peas and beans");
  const page = ada.page.locator("#history");
  expect(await page.getByRole("list", { name: "Who wrote what" }).innerText()).toMatch(/Ada\s+Ben|Ben\s+Ada/);
  const theirs = page.locator(".by", { hasText: "and beans" });
  expect(await theirs.getAttribute("title")).toMatch(/^Ben, .*\d/);

  await slider(ada).press("Home");
  await shows(ada, "\n");
  for (let step = 0; step < 4; step += 1) await slider(ada).press("ArrowRight");
  await shows(ada, "Peas");
  await page.getByRole("textbox", { name: "Name of this version" }).fill("the start");
  await page.getByRole("button", { name: "Name it" }).click();
  await page.getByText("This version is “the start”.").waitFor();
  const moment = await linkOf(ada);
  await page.getByRole("combobox", { name: "Compare with" }).selectOption("The latest text");
  await expect.poll(() => page.locator("ins").allInnerTexts()).toEqual([" and beans"]);
  await ada.page.evaluate(axe.source);
  const found = await ada.page.evaluate(async () => {
    const { axe: checker } = globalThis as unknown as { axe: typeof axe };
    const { violations } = await checker.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`);
  });
  expect(found).toEqual([]);

  // Nothing stands out of the narrowest screen.
  await ada.page.setViewportSize({ width: 320, height: 640 });
  const wide = await page.evaluate((section) =>
    [...section.querySelectorAll("button, input, select")]
      .filter((one) => one.getBoundingClientRect().right > section.getBoundingClientRect().right)
      .map((one) => one.outerHTML),
  );
  expect(wide).toEqual([]);

  // It plays to the end by itself, and the version is found again by its name.
  await page.getByRole("combobox", { name: "Compare with" }).selectOption("nothing");
  await page.getByRole("button", { name: "Play" }).click();
  await shows(ada, "Peas and beans");
  await page.getByRole("combobox", { name: "Version", exact: true }).selectOption("the start");
  await shows(ada, "Peas");
  await page.getByRole("button", { name: "Restore this text" }).click();
  for (const tab of [ada, ben]) await tab.shows("Peas");
  expect(ada.page.url()).not.toMatch(/[#&]at=/);

  // The link leads another one to the moment, once it is there.
  const cleo = await stage.emptyTab();
  await cleo.page.goto(moment);
  await shows(cleo, "Peas");
  await cleo.page.getByRole("button", { name: "Close" }).click();
  await cleo.shows("Peas");
}, 120_000);

test("a history of 100,000 edits is read and played while the page goes on", async ({ stage }) => {
  const wasm = new URL("../../../crdt-wasm/pkg/crdt_wasm_bg.wasm", import.meta.url);
  await init({ module_or_path: await readFile(wasm) });
  const written = new Document({ name: "Ada" });
  written.transact(() => {
    for (let edit = 0; edit < 100_000; edit += 1) {
      written.insert((edit * 7919) % (edit + 1), edit % 60 === 0 ? "\n" : "x");
    }
  });
  const ada = await stage.tab(stage.newSecretRoom(), "Ada", { height: 700 });
  const buffer = Buffer.from(written.save());
  await ada.page.locator("#file").setInputFiles({ name: "long.crdt", mimeType: "", buffer });
  await ada.page.getByText("100,000 characters").waitFor();
  await openHistory(ada);
  const steps = Number(await slider(ada).getAttribute("max"));
  expect(steps).toBeGreaterThan(19_000);
  expect(steps).toBeLessThan(21_000);
  await slider(ada).fill("10000");
  await linkOf(ada);
  const play = ada.page.getByRole("button", { name: "Play" });
  await play.click();
  await expect
    .poll(() => slider(ada).inputValue().then(Number), { timeout: PATIENCE_MS })
    .toBeGreaterThan(10_500);
  await ada.page.getByRole("button", { name: "Pause" }).click();
  await slider(ada).press("End");
  await ada.page.getByRole("button", { name: "Close" }).click();
}, 120_000);
