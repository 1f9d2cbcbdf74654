// The app over plain HTTP, as from another machine of a local network.
import { expect } from "vitest";
import { PLAIN_HOST, test } from "../src/stage.js";
import { PATIENCE_MS } from "../src/tab.js";

function overPlainHttp(link: string): string {
  const url = new URL(link);
  url.hostname = PLAIN_HOST;
  return url.href;
}

test("a room without a key works over plain HTTP", async ({ stage }) => {
  const link = overPlainHttp(stage.newRoom());
  const [ada, ben] = [await stage.tab(link, "Ada"), await stage.tab(link, "Ben")];
  expect(await ada.page.evaluate(() => isSecureContext)).toBe(false);
  for (const tab of [ada, ben]) await tab.connect();
  for (const tab of [ada, ben]) await tab.seesPeers(1);
  await ada.type("plain");
  await ben.shows("plain");
  await ben.page.reload();
  await ben.shows("plain");
});

test("a room with a key says over plain HTTP what it needs, and keeps the text", async ({ stage }) => {
  const ada = await stage.tab(overPlainHttp(stage.newSecretRoom()), "Ada");
  await ada.type("kept");
  await ada.connect();
  const problem = ada.page.getByRole("alert");
  await expect
    .poll(() => problem.innerText(), { timeout: PATIENCE_MS })
    .toMatch(/cannot open a room with a key.*Open it by https/s);
  await ada.page.getByText("Saved on this device").waitFor();
  await ada.page.reload();
  await ada.shows("kept");
});
