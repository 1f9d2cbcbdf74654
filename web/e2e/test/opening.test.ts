// Opening the page: one types at once, and the document, which comes later, takes in what was typed.
import { expect } from "vitest";
import { type Stage, test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

declare global {
  /** Lets the WebAssembly of a page begin, and waits until it has. */
  var arrive: () => Promise<void>;
}

/** What a page may load before one can type, in bytes, headers included. */
const MOST_BYTES = 200_000;
/** As the developer tools simulate fast 3G. */
const FAST_3G = { offline: false, latency: 562.5, downloadThroughput: 180_000, uploadThroughput: 84_375 };

/** A tab whose page has its editor, and no document before `arrive` is called. */
async function earlyTab(stage: Stage, link: string, beside?: Tab): Promise<Tab> {
  const tab = await stage.emptyTab(beside === undefined ? {} : { beside });
  await tab.page.addInitScript(() => {
    const { instantiateStreaming } = WebAssembly;
    WebAssembly.instantiateStreaming = (...args) =>
      new Promise((instantiated) => {
        globalThis.arrive = async () => {
          const module = instantiateStreaming(...args);
          instantiated(module);
          await module;
        };
      });
  });
  await tab.page.goto(link);
  await tab.page.locator(".cm-content").waitFor();
  return tab;
}

async function arrive(tab: Tab): Promise<void> {
  await tab.page.waitForFunction(() => "arrive" in globalThis);
  await tab.page.evaluate(() => globalThis.arrive());
}

async function saved(tab: Tab): Promise<void> {
  const saving = tab.page.locator("#saving");
  await expect.poll(() => saving.getAttribute("data-state"), { timeout: PATIENCE_MS }).toBe("saved");
}

test("over a slow connection one types after 200 KB at most, and nothing of that is lost", async ({
  stage,
}) => {
  const ada = await stage.emptyTab();
  const devtools = await ada.page.context().newCDPSession(ada.page);
  await devtools.send("Network.enable");
  await devtools.send("Network.emulateNetworkConditions", FAST_3G);
  await ada.page.goto(stage.newSecretRoom());
  await ada.page.locator(".cm-content").waitFor();
  // The editor has the focus.
  await ada.page.keyboard.type("Typed at once. ");
  await ada.isOpen();
  await ada.page.keyboard.type("And later.");
  await ada.shows("Typed at once. And later.");

  const loaded = await ada.page.evaluate(() => {
    const [ready] = performance.getEntriesByName("one can type");
    const requests = [
      ...performance.getEntriesByType("navigation"),
      ...performance.getEntriesByType("resource"),
    ] as PerformanceResourceTiming[];
    return requests
      .filter(({ startTime }) => startTime < ready!.startTime)
      .map(({ name, transferSize }) => ({ name: new URL(name).pathname, transferSize }));
  });
  const names = loaded.map(({ name }) => name.replace(/^.*\./, ""));
  expect(names).not.toContain("wasm");
  const bytes = loaded.reduce((sum, { transferSize }) => sum + transferSize, 0);
  expect(bytes).toBeGreaterThan(0);
  expect(bytes, JSON.stringify(loaded)).toBeLessThanOrEqual(MOST_BYTES);
}, 120_000);

test("what is typed before the document is there goes into it, beside what is stored and what others wrote", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const ada = await earlyTab(stage, link);
  await ada.page.keyboard.type("Typed early");
  expect(await ada.page.locator("#saving").textContent()).toBe("The saved text is on its way…");
  let asked = 0;
  ada.page.on("dialog", (dialog) => {
    asked += 1;
    void dialog.dismiss();
  });
  await ada.page.close({ runBeforeUnload: true });
  await expect.poll(() => asked, { timeout: PATIENCE_MS }).toBe(1);
  await arrive(ada);
  await saved(ada);
  await ada.shows("Typed early");
  await ada.seesPeers(0);

  // The stored text comes while an input method composes.
  const again = await earlyTab(stage, link, ada);
  await ada.disconnect();
  const devtools = await again.page.context().newCDPSession(again.page);
  await devtools.send("Input.imeSetComposition", { text: "にほ", selectionStart: 2, selectionEnd: 2 });
  await arrive(again);
  await devtools.send("Input.imeSetComposition", { text: "にほん", selectionStart: 3, selectionEnd: 3 });
  await devtools.send("Input.insertText", { text: "日本" });
  await again.isOpen();
  for (const tab of [ada, again]) await tab.shows("日本\nTyped early");
  await again.press("Control+z");
  for (const tab of [ada, again]) await tab.shows("Typed early");
  await again.seesPeers(0);

  // A second person, whose page has none of the text yet.
  const ben = await earlyTab(stage, link);
  await ben.page.keyboard.type("Ben's");
  await arrive(ben);
  for (const tab of [again, ben]) await tab.seesPeers(1);
  await expect
    .poll(() => ben.text(), { timeout: PATIENCE_MS })
    .toMatch(/^(Ben'sTyped early|Typed earlyBen's)$/);
  await again.shows(await ben.text());
}, 120_000);
