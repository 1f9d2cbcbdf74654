import { expect } from "vitest";
import { test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

/** How long a page that must get nothing is watched, in milliseconds. */
const WATCHED_MS = 8_000;

/** Waits until the connection check of a page names the room as what fails. */
async function isKeptOut(tab: Tab): Promise<void> {
  const failing = async (): Promise<string[]> => (await tab.diagnosis()).failing;
  await expect.poll(failing, { timeout: PATIENCE_MS }).toEqual(["room"]);
  expect(await tab.text()).toBe("");
}

test("without the room's key, or with another one, a page gets nothing and is told why", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const [ada, bob] = [await stage.tab(link, "Ada"), await stage.tab(link, "Bob")];
  for (const tab of [ada, bob]) await tab.connect();
  for (const tab of [ada, bob]) await tab.seesPeers(1);
  await ada.type("for those who have the key");
  await bob.shows("for those who have the key");

  const [bare] = link.split("#");
  // Eve knows the name of the room alone, Mallory has a key of another room, and Trudy shares Ada's browser.
  const eve = await stage.tab(bare!, "Eve");
  const mallory = await stage.tab(`${bare}#key=${"m".repeat(22)}`, "Mallory");
  const trudy = await stage.tab(`${bare}#key=${"t".repeat(22)}`, "Trudy", { beside: ada });
  const outsiders = [eve, mallory, trudy];
  for (const tab of outsiders) await tab.connect();
  for (const tab of outsiders) await isKeptOut(tab);
  await ada.type(", still");
  await bob.shows("for those who have the key, still");
  await new Promise((done) => setTimeout(done, WATCHED_MS));
  for (const tab of outsiders) {
    expect(await tab.text()).toBe("");
    expect(await tab.status()).toBe("Connected (0 peers)");
  }
  // What outsiders write reaches nobody, either.
  await mallory.type("let me in");
  await eve.type("me too");
  await new Promise((done) => setTimeout(done, 1_000));
  expect(await bob.text()).toBe("for those who have the key, still");
});
