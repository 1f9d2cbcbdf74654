// No ordinary way to lose a word: the server away, tabs killed, the device full.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { Server } from "../src/server.js";
import { type Stage, test } from "../src/stage.js";
import { NO_SERVER, PATIENCE_MS, type Tab } from "../src/tab.js";

/** For so long the server is away while people type. */
const OUTAGE_SECONDS = Number(process.env["OUTAGE_SECONDS"] ?? 6);
const QUOTA_BYTES = 1_000_000;

/** The state of saving on the device, as the page says it. */
const saving = (tab: Tab) => tab.page.locator("#saving").getAttribute("data-state");

async function saved(tab: Tab): Promise<void> {
  await expect.poll(() => saving(tab), { timeout: PATIENCE_MS }).toBe("saved");
}

/** Waits until the browser keeps the app, so that it opens without the server. */
async function keepsTheApp(tab: Tab): Promise<void> {
  await tab.page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
}

/** Goes to the end of the text and types, a key each `gapMs`. */
async function append(tab: Tab, text: string, gapMs = 0): Promise<void> {
  await tab.press("Control+End");
  await tab.type(text, gapMs);
}

/** Replaces the server by one that keeps rooms in a folder, as `scripts/run` starts it; returns what undoes that. */
async function storingServer(stage: Stage): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "rooms-"));
  const { port } = stage.server;
  await stage.server.stop();
  stage.server = await Server.start(port, "--store", join(folder, "rooms.redb"));
  return async () => {
    await stage.server.stop();
    stage.server = await Server.start(port);
    await rm(folder, { recursive: true });
  };
}

/** The server dies; the same one comes back when the returned function is called. */
async function outage(stage: Stage): Promise<() => Promise<void>> {
  const { port, flags } = stage.server;
  await stage.server.crash();
  return async () => {
    stage.server = await Server.start(port, ...flags);
  };
}

test("the server is away while two type, a tab is killed, and a third joins: everybody has every word", async ({
  stage,
}) => {
  const tidy = await storingServer(stage);
  const link = stage.newSecretRoom();
  const [ada, ben] = [await stage.tab(link, "Ada"), await stage.tab(link, "Ben")];
  // She has been here before, and has never been in this room.
  const cleo = await stage.tab(stage.newSecretRoom(), "Cleo");
  for (const tab of [ada, ben, cleo]) await keepsTheApp(tab);
  for (const tab of [ada, ben]) await tab.connect();
  for (const tab of [ada, ben]) await tab.seesPeers(1);

  const comeBack = await outage(stage);
  const gapMs = 50;
  const count = Math.ceil((OUTAGE_SECONDS * 1000) / gapMs);
  const words = ["a", "b"].map((letter) => letter.repeat(count));
  const late = await stage.emptyTab({ beside: cleo });
  await Promise.all([
    append(ada, words[0]!, gapMs),
    append(ben, words[1]!, gapMs),
    late.open(link, "Cleo").then(() => late.connect()),
  ]);
  await append(late, "c");
  const letters = async (tab: Tab) => [...(await tab.text())].sort().join("");
  for (const tab of [ada, ben]) {
    await expect.poll(() => letters(tab), { timeout: PATIENCE_MS }).toBe(words.join(""));
  }
  await saved(ben);
  const again = await stage.emptyTab({ beside: ben });
  await ben.crash();
  await again.open(link, "Ben");
  expect(await letters(again)).toBe(words.join(""));
  await again.connect();
  await append(again, "d");

  await comeBack();
  for (const tab of [ada, again, late]) {
    await expect.poll(() => letters(tab), { timeout: PATIENCE_MS }).toBe(`${words.join("")}cd`);
  }
  const texts = await Promise.all([ada, again, late].map((tab) => tab.text()));
  expect(new Set(texts).size).toBe(1);
  for (const tab of [ada, again, late]) await tab.seesPeers(2);
  for (const tab of [ada, ben, cleo, again, late]) tab.forgive(NO_SERVER);
  for (const tab of [ada, again, late]) await tab.disconnect();
  await tidy();
}, 60_000 + 4_000 * OUTAGE_SECONDS);

test("written without a server, the tab killed, opened again, then the server is there: everything is there", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const [ada, ben] = [await stage.tab(link, "Ada"), await stage.tab(link, "Ben")];
  for (const tab of [ada, ben]) await keepsTheApp(tab);
  await ada.connect();
  await ada.seesPeers(0);
  const comeBack = await outage(stage);
  await ben.type("Written offline.");
  await saved(ben);
  const again = await stage.emptyTab({ beside: ben });
  await ben.crash();
  await again.open(link, "Ben");
  await again.shows("Written offline.");
  await append(again, " And more.");
  await again.connect();
  await comeBack();
  await ada.shows("Written offline. And more.");
  for (const tab of [ada, ben, again]) tab.forgive(NO_SERVER);
});

/** Lines that take more than the quota, however they are packed. */
function incompressible(): string {
  const letters = Array.from({ length: QUOTA_BYTES }, (_, at) =>
    at % 80 === 79 ? "\n" : String.fromCharCode(0x4e00 + Math.floor(Math.random() * 20_000)),
  );
  return letters.join("");
}

/** Sets how much the browser lets the app store; without a number, as much as usual. */
async function setQuota(tab: Tab, origin: string, bytes?: number): Promise<void> {
  const devtools = await tab.page.context().newCDPSession(tab.page);
  const quota = bytes === undefined ? {} : { quotaSize: bytes };
  await devtools.send("Storage.overrideQuotaForOrigin", { origin, ...quota });
}

test("two browsers whose space is used up say so, stay equal, and save again once there is space", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const origin = stage.server.url;
  const tabs = [await stage.emptyTab({ height: 800 }), await stage.emptyTab({ height: 800 })];
  const [ada, ben] = tabs as [Tab, Tab];
  for (const tab of tabs) {
    // Before anything is written: browsers remember for a while how much space there was.
    await setQuota(tab, origin, QUOTA_BYTES);
    await tab.open(link, "Guest");
    await tab.connect();
  }
  for (const tab of tabs) await tab.seesPeers(1);
  await ada.type("small");
  for (const tab of tabs) await saved(tab);

  const text = incompressible();
  await ada.page.evaluate((text) => navigator.clipboard.writeText(text), text);
  await ada.press("Control+End");
  await ada.page.keyboard.press("Control+v");
  const count = (tab: Tab) => tab.page.locator("#count").textContent();
  const characters = `${(text.length + "small".length).toLocaleString("en")} characters`;
  for (const tab of tabs) {
    await expect.poll(() => count(tab), { timeout: PATIENCE_MS }).toContain(characters);
    await expect.poll(() => saving(tab), { timeout: PATIENCE_MS }).toBe("unsaved");
    expect(await tab.page.locator("#saving").textContent()).toContain("no space left");
  }
  // Both go on, and leaving is asked about where no other page has the text.
  for (const tab of tabs) await tab.press("Control+Home");
  await ben.type("Ben: ");
  const start = () => ada.text().then((text) => text.slice(0, 10));
  await expect.poll(start, { timeout: PATIENCE_MS }).toBe("Ben: small");
  for (const tab of tabs) await tab.disconnect();
  const asked = ben.page.waitForEvent("dialog", { timeout: PATIENCE_MS });
  await ben.page.close({ runBeforeUnload: true });
  await (await asked).dismiss();

  for (const tab of tabs) await setQuota(tab, origin);
  for (const tab of tabs) await saved(tab);
  const again = await stage.emptyTab({ beside: ben, height: 800 });
  await ben.close();
  await again.open(link, "Ben");
  await expect.poll(() => count(again), { timeout: PATIENCE_MS }).toBe(await count(ada));
}, 180_000);
