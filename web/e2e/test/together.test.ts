import { describe, expect } from "vitest";
import { test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

function orders<T>(all: readonly T[]): T[][] {
  if (all.length <= 1) return [[...all]];
  return all.flatMap((one, index) =>
    orders([...all.slice(0, index), ...all.slice(index + 1)]).map((rest) => [one, ...rest]),
  );
}

/** The text of all the tabs, once everybody has as much of it as was written. */
async function agreed(tabs: Tab[], length: number): Promise<string> {
  for (const tab of tabs) {
    await expect.poll(async () => (await tab.text()).length, { timeout: PATIENCE_MS }).toBe(length);
  }
  const [text = "", ...others] = await Promise.all(tabs.map((tab) => tab.text()));
  for (const other of others) expect(other).toBe(text);
  return text;
}

/** Everybody types at once between the same two brackets. */
async function typeInOnePlace(tabs: Tab[]): Promise<void> {
  const words = ["ALPHABETICAL", "bumblebee-honey", "0123456789"].slice(0, tabs.length);
  await tabs[0]!.insert("before [] after");
  for (const tab of tabs) await tab.shows("before [] after");
  for (const tab of tabs) await tab.select(8);
  await Promise.all(tabs.map((tab, index) => tab.type(words[index]!, 3)));

  const text = await agreed(tabs, "before [] after".length + words.join("").length);
  // Nobody's word is torn apart.
  expect(orders(words).map((order) => `before [${order.join("")}] after`)).toContain(text);
}

describe("typing at the same time in the same place", () => {
  test("two tabs end with one text", async ({ stage }) => {
    await typeInOnePlace(await stage.connectedTabs("Ada", "Bob"));
  });

  test("three tabs end with one text", async ({ stage }) => {
    await typeInOnePlace(await stage.connectedTabs("Ada", "Bob", "Cleo"));
  });
});

test("who comes late gets everything, even after its author left", async ({ stage }) => {
  const link = stage.newRoom();
  const ada = await stage.tab(link, "Ada");
  await ada.connect();
  await ada.seesPeers(0);
  await ada.type("The first line.\nThe second line.\n");

  const bob = await stage.tab(link, "Bob");
  await bob.connect();
  await bob.shows("The first line.\nThe second line.\n");
  await bob.select(4);
  await bob.type("very ");
  await ada.shows("The very first line.\nThe second line.\n");

  await ada.close();
  await bob.seesPeers(0);
  const cleo = await stage.tab(link, "Cleo");
  await cleo.connect();
  await cleo.shows("The very first line.\nThe second line.\n");
});

test("what was written on both sides before they met is all there", async ({ stage }) => {
  const link = stage.newRoom();
  const tabs = [await stage.tab(link, "Ada"), await stage.tab(link, "Bob")];
  await tabs[0]!.type("Ada's notes.");
  await tabs[1]!.type("Bob's notes.");
  for (const tab of tabs) await tab.connect();
  for (const tab of tabs) await tab.seesPeers(1);
  const text = await tabs[0]!.text();
  expect(["Ada's notes.Bob's notes.", "Bob's notes.Ada's notes."]).toContain(text);
  await tabs[1]!.shows(text);
});

test("text in many scripts, with emoji, survives", async ({ stage }) => {
  const [ada, bob] = await stage.connectedTabs("Ada", "Bob");
  const text = "Grüße, 世界! שלום नमस्ते e\u0301 👩‍👩‍👧 🏳️‍🌈 𝒳 😀";
  await ada!.insert(text);
  await bob!.shows(text);

  // One press takes the last emoji, two code units of it, from both texts.
  await bob!.select(text.length);
  await bob!.press("Backspace");
  await ada!.shows(text.slice(0, -2));
  await bob!.type("🦊!");
  await ada!.shows(`${text.slice(0, -2)}🦊!`);
  await ada!.select(0);
  await ada!.type("→ ");
  await bob!.shows(`→ ${text.slice(0, -2)}🦊!`);
});

test("who leaves is seen to leave, and who stays goes on", async ({ stage }) => {
  const [ada, bob, cleo] = await stage.connectedTabs("Ada", "Bob", "Cleo");
  expect((await ada!.people()).slice(1).sort()).toEqual(["Bob", "Cleo"]);
  await cleo!.close();
  for (const tab of [ada!, bob!]) await tab.seesPeers(1);
  expect(await ada!.people()).toEqual(["Ada", "Bob"]);
  expect(await bob!.people()).toEqual(["Bob", "Ada"]);
  await ada!.type("still here");
  await bob!.shows("still here");

  await bob!.disconnect();
  await ada!.seesPeers(0);
  expect(await bob!.status()).toBe("Not connected");
  expect(await ada!.people()).toEqual(["Ada"]);
});

test("who leaves, writes alone and comes back, brings it along", async ({ stage }) => {
  const [ada, bob] = await stage.connectedTabs("Ada", "Bob");
  await ada!.type("shared. ");
  await bob!.shows("shared. ");
  await bob!.disconnect();
  await ada!.seesPeers(0);
  await bob!.select(8);
  await bob!.type("Bob alone.");
  await ada!.select(0);
  await ada!.type("Ada alone, ");
  await bob!.connect();
  for (const tab of [ada!, bob!]) await tab.shows("Ada alone, shared. Bob alone.");
});

test("tabs of one browser, and someone else's, are all in it", async ({ stage }) => {
  const link = stage.newRoom();
  const ada = await stage.tab(link, "Ada");
  const again = await stage.tab(link, "Ada's other tab", { beside: ada });
  const bob = await stage.tab(link, "Bob");
  const tabs = [ada, again, bob];
  for (const tab of tabs) await tab.connect();
  for (const tab of tabs) await tab.seesPeers(2);
  for (const tab of tabs) await tab.type(`${tabs.indexOf(tab)}`);
  const text = await agreed(tabs, 3);
  expect([...text].sort().join("")).toBe("012");
});

test("two rooms do not see each other", async ({ stage }) => {
  const [ada] = await stage.connectedTabs("Ada");
  const [bob, cleo] = await stage.connectedTabs("Bob", "Cleo");
  await ada!.type("in Ada's room");
  await bob!.type("in Bob's room");
  await cleo!.shows("in Bob's room");
  expect(await ada!.text()).toBe("in Ada's room");
  await ada!.seesPeers(0);
  await bob!.seesPeers(1);
  expect(await ada!.people()).toEqual(["Ada"]);
});

test("a caret stays in its text while others write before it", async ({ stage }) => {
  const [ada, bob] = await stage.connectedTabs("Ada", "Bob");
  await ada!.type("one two three");
  await bob!.shows("one two three");
  await bob!.select(7);
  await ada!.select(0);
  await ada!.type("zero, ");
  await bob!.shows("zero, one two three");
  await bob!.type(" and a half");
  await ada!.shows("zero, one two and a half three");
});

test("undo takes back one's own writing only", async ({ stage }) => {
  const [ada, bob] = await stage.connectedTabs("Ada", "Bob");
  await ada!.type("Ada wrote this.");
  await bob!.shows("Ada wrote this.");
  await bob!.select(0);
  await bob!.type("Bob too. ");
  await ada!.shows("Bob too. Ada wrote this.");
  await bob!.press("Control+z");
  await ada!.shows("Ada wrote this.");
  await ada!.press("Control+z");
  await bob!.shows("");
});

test("an input method composes while someone else types in the same line", async ({ stage }) => {
  const [ada, bob] = await stage.connectedTabs("Ada", "Bob");
  await ada!.type("say  here");
  await bob!.shows("say  here");
  await ada!.select(4);
  const keyboard = await ada!.page.context().newCDPSession(ada!.page);
  const compose = (text: string) =>
    keyboard.send("Input.imeSetComposition", {
      text,
      selectionStart: text.length,
      selectionEnd: text.length,
    });
  await compose("に");
  await compose("にほ");
  await bob!.shows("say にほ here");
  await bob!.select("say にほ here".length);
  await bob!.type(", please");
  await bob!.shows("say にほ here, please");
  // What others write waits for the end of the composition.
  expect(await ada!.text()).toBe("say にほ here");
  await compose("にほん");
  await keyboard.send("Input.insertText", { text: "日本" });
  for (const tab of [ada!, bob!]) await tab.shows("say 日本 here, please");
});
