import { expect } from "vitest";
import { Server } from "../src/server.js";
import { type Stage, test } from "../src/stage.js";
import { NO_SERVER, PATIENCE_MS, type Tab } from "../src/tab.js";

/** Waits until the page says that everything is on the device. */
async function saved(tab: Tab): Promise<void> {
  const saving = tab.page.locator("#saving");
  await expect.poll(() => saving.getAttribute("data-state"), { timeout: PATIENCE_MS }).toBe("saved");
  expect(await saving.textContent()).toBe("Saved on this device");
}

/** Another tab of the same browser, after this one is closed. */
async function openAgain(stage: Stage, tab: Tab, link: string): Promise<Tab> {
  const again = await stage.emptyTab({ beside: tab });
  await tab.close();
  await again.open(link, "Ada");
  return again;
}

test("the text is there again after everything was closed, before any network", async ({ stage }) => {
  const link = stage.newSecretRoom();
  const ada = await stage.tab(link, "Ada");
  await ada.type("Still here.");
  await saved(ada);
  const again = await openAgain(stage, ada, link);
  await again.shows("Still here.");
  expect(await again.status()).toBe("Not connected");
  // Another room is another text, and so is the same one with another key.
  const other = await openAgain(stage, again, link.replace(/k{22}/, "o".repeat(22)));
  expect(await other.text()).toBe("");
});

test("a new room, and back: the text is there, and each room is in the list", async ({ stage }) => {
  const ada = await stage.tab(stage.newSecretRoom(), "Ada");
  await ada.type("The first room.");
  await saved(ada);
  const first = (await ada.page.locator("#room").textContent()) ?? "";
  await ada.page.getByRole("link", { name: "New room" }).click();
  await ada.page.getByText("Write something…").waitFor();
  await ada.type("The second room.");
  await saved(ada);
  await ada.page.goBack();
  await ada.shows("The first room.");
  await ada.page.goForward();
  await ada.shows("The second room.");
  await ada.page.locator("#recent").getByRole("link", { name: first }).click();
  await ada.shows("The first room.");
});

test("tabs of one browser stay equal without a server, connected or not", async ({ stage }) => {
  const link = stage.newSecretRoom();
  const ada = await stage.tab(link, "Ada");
  const ben = await stage.tab(link, "Ben", { beside: ada });
  await ada.type("Not connected");
  await ben.shows("Not connected");

  const { port } = stage.server;
  await stage.server.crash();
  for (const tab of [ada, ben]) await tab.connect();
  for (const tab of [ada, ben]) {
    await expect.poll(() => tab.status(), { timeout: PATIENCE_MS }).toBe("Reconnecting… (1 peer)");
  }
  await ben.press("Control+End");
  await ben.type(", and no server");
  await ada.shows("Not connected, and no server");
  stage.server = await Server.start(port);
  for (const tab of [ada, ben]) await tab.seesPeers(1);
  for (const tab of [ada, ben]) tab.forgive(NO_SERVER);
});

test("what was written offline in a tab that was killed reaches the others later", async ({ stage }) => {
  const link = stage.newSecretRoom();
  const [ada, ben] = [await stage.tab(link, "Ada"), await stage.tab(link, "Ben")];
  for (const tab of [ada, ben]) await tab.connect();
  for (const tab of [ada, ben]) await tab.seesPeers(1);
  await ben.disconnect();
  await ben.type("Written alone.");
  await saved(ben);
  const again = await stage.emptyTab({ beside: ben });
  await ben.crash();
  await again.open(link, "Ben");
  await again.shows("Written alone.");
  await again.connect();
  await ada.shows("Written alone.");
});

test("where the browser stores nothing, that is said, and leaving is asked about", async ({ stage }) => {
  const ada = await stage.emptyTab();
  await ada.page.addInitScript(() => {
    Object.defineProperty(globalThis, "indexedDB", { value: undefined });
  });
  await ada.open(stage.newSecretRoom(), "Ada");
  await ada.type("Only here.");
  const saving = ada.page.locator("#saving");
  await expect.poll(() => saving.textContent()).toMatch(/Not saved on this device: nothing can be saved/);
  let asked = 0;
  ada.page.on("dialog", (dialog) => {
    asked += 1;
    void dialog.dismiss();
  });
  await ada.page.close({ runBeforeUnload: true });
  await expect.poll(() => asked, { timeout: PATIENCE_MS }).toBe(1);
  expect(await ada.text()).toBe("Only here.");
});
