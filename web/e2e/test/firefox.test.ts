// The whole app in Debian's Firefox, beside Chromium.
import { expect } from "vitest";
import { Firefox } from "../src/firefox.js";
import { RemoteTab } from "../src/remote_tab.js";
import { test as staged } from "../src/stage.js";

const test = staged.extend<{ firefox: Firefox }>({
  firefox: [
    async ({}, use) => {
      const firefox = await Firefox.launch();
      await use(firefox);
      await firefox.close();
    },
    { scope: "file" },
  ],
});

test("Firefox writes, undoes, meets Chromium directly and by the relay, reloads and leaves", async ({
  stage,
  firefox,
}) => {
  const link = stage.newSecretRoom();
  const ada = await RemoteTab.open(await firefox.newPage(), link);
  await ada.sees();
  await ada.type("x");
  await ada.shows("x");
  await ada.press("Control+z");
  await ada.shows("");
  await ada.press("Control+y");
  await ada.shows("x");
  await ada.press("Control+z");
  await ada.shows("");
  // Firefox gives the emoji out as two input events, a half each.
  await ada.type("a😀b");
  await ada.shows("a😀b");

  const ben = await stage.tab(link, "Ben");
  await ben.connect();
  await ada.sees("up to date");
  await ben.seesPeers(1);
  await ben.shows("a😀b");
  await ben.press("Control+End");
  await ben.insert(" Ben");
  await ada.shows("a😀b Ben");
  await ada.press("Control+End");
  await ada.type(" Ada");
  await ben.shows("a😀b Ben Ada");
  await ben.press("Control+z");
  await ada.shows("a😀b Ada");

  // A late joiner whom only the server reaches.
  const cleo = await stage.tab(link, "Cleo", { firewall: true });
  await cleo.connect();
  await cleo.shows("a😀b Ada");
  await ada.sees("up to date", "up to date, through the server");

  await ada.reload();
  await ada.sees("up to date", "up to date, through the server");
  await ada.shows("a😀b Ada");
  await ada.press("Control+End");
  await ada.type("!");
  for (const tab of [ben, cleo]) await tab.shows("a😀b Ada!");

  await cleo.close();
  await ada.sees("up to date");
  await ada.page.close();
  await ben.seesPeers(0);
  // Cleo's firewall lets no direct connection through.
  const complaints = firefox.complaints.filter((complaint) => !/ICE failed/.test(complaint));
  expect(complaints).toEqual([]);
}, 240_000);
