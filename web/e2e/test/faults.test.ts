import { expect } from "vitest";
import { Server } from "../src/server.js";
import { type Stage, test } from "../src/stage.js";
import { NO_SERVER, PATIENCE_MS, type Tab } from "../src/tab.js";

/** A word that can be told from every other by its letters. */
function word(name: string, length: number): string {
  return Array.from({ length }, (_, index) => `${name}${index}.`).join("");
}

/** Goes to the end of the text and types. */
async function append(tab: Tab, text: string, delay = 0): Promise<void> {
  await tab.press("Control+End");
  await tab.type(text, delay);
}

/** Waits until all the tabs show one text that has every word in it, and nothing else. */
async function agree(tabs: Tab[], words: string[]): Promise<void> {
  const length = words.join("").length;
  for (const tab of tabs) {
    await expect.poll(async () => (await tab.text()).length, { timeout: PATIENCE_MS }).toBe(length);
  }
  const [text = "", ...others] = await Promise.all(tabs.map((tab) => tab.text()));
  for (const other of others) expect(other).toBe(text);
  const rest = words.reduce((left, one) => {
    expect(left).toContain(one);
    return left.replace(one, "");
  }, text);
  expect(rest).toBe("");
}

/** What everybody types now arrives at everybody. */
async function allGoesOn(tabs: Tab[], words: string[]): Promise<void> {
  for (const [index, tab] of tabs.entries()) {
    const more = `<${index}:${words.length}>`;
    await append(tab, more);
    words.push(more);
    await agree(tabs, words);
  }
}

/** The server dies while everybody types, and comes back. */
async function typeWhileServerDies(stage: Stage, tabs: Tab[]): Promise<string[]> {
  const words = tabs.map((_, index) => word("abc".charAt(index), 30));
  const typed = tabs.map((tab, index) => append(tab, words[index]!, 12));
  const { port } = stage.server;
  await tabs[0]!.page.waitForTimeout(300);
  await stage.server.crash();
  await tabs[0]!.page.waitForTimeout(400);
  stage.server = await Server.start(port);
  await Promise.all(typed);
  return words;
}

test("the server dies and comes back while both type", async ({ stage }) => {
  const link = stage.newRoom();
  const tabs = [await stage.tab(link, "Ada"), await stage.tab(link, "Ben")];
  for (const tab of tabs) await tab.connect();
  for (const tab of tabs) await tab.seesPeers(1);
  const words = await typeWhileServerDies(stage, tabs);
  await agree(tabs, words);
  for (const tab of tabs) await tab.seesPeers(1);

  const cleo = await stage.tab(link, "Cleo");
  await cleo.connect();
  await allGoesOn([...tabs, cleo], words);
  for (const tab of tabs) tab.forgive(NO_SERVER);
});

test("behind firewalls the relay alone carries, encrypted, and outlives the server", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const tabs = [
    await stage.tab(link, "Ada", { firewall: true }),
    await stage.tab(link, "Ben", { firewall: true }),
  ];
  const frames: string[] = [];
  for (const tab of tabs) {
    tab.page.on("websocket", (socket) =>
      socket.on("framesent", ({ payload }) => frames.push(String(payload))),
    );
    await tab.connect();
  }
  for (const tab of tabs) await tab.seesPeers(1);
  expect(await tabs[0]!.page.locator("#peers").textContent()).toContain("through the server");
  expect((await tabs[0]!.diagnosis()).failing).toEqual([]);

  const words = ["secret words. "];
  await append(tabs[0]!, words[0]!);
  await agree(tabs, words);
  expect(frames.some((frame) => frame.includes('"relay"'))).toBe(true);
  expect(frames.filter((frame) => /secret|kkkk/.test(frame))).toEqual([]);

  words.push(...(await typeWhileServerDies(stage, tabs)));
  await agree(tabs, words);
  for (const tab of tabs) await tab.seesPeers(1);
  await allGoesOn(tabs, words);
  for (const tab of tabs) tab.forgive(NO_SERVER);
});

test("one is offline for a while, and both write meanwhile", async ({ stage }) => {
  const link = stage.newSecretRoom();
  const tabs = [await stage.tab(link, "Ada"), await stage.tab(link, "Ben")];
  const [ada, ben] = tabs as [Tab, Tab];
  await ben.setNetwork("there");
  for (const tab of tabs) await tab.connect();
  for (const tab of tabs) await tab.seesPeers(1);
  const words = ["together. "];
  await append(ada, words[0]!);
  await agree(tabs, words);

  await ben.setNetwork("gone");
  words.push(word("a", 12), word("b", 12));
  await append(ada, words[1]!);
  await append(ben, words[2]!);
  // Long enough that the connection notices.
  await expect
    .poll(() => ada.page.locator("#peers .how").last().textContent(), { timeout: PATIENCE_MS })
    .not.toBe("up to date");
  expect(await ada.text()).not.toContain(words[2]);
  expect(await ben.text()).not.toContain(words[1]);

  await ben.setNetwork("there");
  await agree(tabs, words);
  for (const tab of tabs) await tab.seesPeers(1);
  await allGoesOn(tabs, words);
  for (const tab of tabs) tab.forgive(NO_SERVER);
});

test("a tab is killed: its words stay, it is seen to be gone, and it may come back", async ({
  stage,
}) => {
  const link = stage.newRoom();
  const tabs: Tab[] = [];
  for (const name of ["Ada", "Ben", "Cleo"]) {
    const tab = await stage.tab(link, name);
    await tab.connect();
    tabs.push(tab);
  }
  for (const tab of tabs) await tab.seesPeers(2);
  const [ada, ben, cleo] = tabs as [Tab, Tab, Tab];
  const words = [word("a", 10), word("b", 10), word("c", 10)];
  await Promise.all(tabs.map((tab, index) => append(tab, words[index]!, 5)));
  await agree(tabs, words);

  await cleo.crash();
  for (const tab of [ada, ben]) await tab.seesPeers(1);
  await allGoesOn([ada, ben], words);
  const back = await stage.tab(link, "Cleo");
  await back.connect();
  await allGoesOn([ada, ben, back], words);
  for (const tab of [ada, ben, back]) await tab.seesPeers(2);
});

test("a tab reloads while the other types", async ({ stage }) => {
  const [ada, ben] = (await stage.connectedTabs("Ada", "Ben")) as [Tab, Tab];
  const words = [word("b", 10), word("a", 40)];
  await append(ben, words[0]!);
  await ada.shows(words[0]!);
  const typed = append(ada, words[1]!, 10);
  await ben.page.reload();
  await ben.connect();
  await typed;
  await agree([ada, ben], words);
  for (const tab of [ada, ben]) await tab.seesPeers(1);
  await allGoesOn([ada, ben], words);
});
