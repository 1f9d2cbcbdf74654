// The whole app in Debian's WebKitGTK, which has no WebRTC, beside Chromium.
import { RemoteTab } from "../src/remote_tab.js";
import { test as staged } from "../src/stage.js";
import { WebKit } from "../src/webkit.js";

const test = staged.extend<{ webkit: WebKit }>({
  webkit: [
    async ({}, use) => {
      const webkit = await WebKit.launch();
      await use(webkit);
      await webkit.close();
    },
    { scope: "file" },
  ],
});

test("WebKitGTK writes, undoes, meets its own tabs and by the relay Chromium, reloads and leaves", async ({
  stage,
  webkit,
}) => {
  const link = stage.newSecretRoom();
  const ada = await RemoteTab.open(await webkit.newPage(), link);
  await ada.sees();
  await ada.type("x");
  await ada.shows("x");
  await ada.press("Control+z");
  await ada.shows("");
  await ada.press("Control+y");
  await ada.shows("x");
  await ada.press("Control+z");
  await ada.shows("");
  await ada.type("a😀b");
  await ada.shows("a😀b");

  // Another tab of the same browser, reached without the server.
  const bea = await RemoteTab.open(await webkit.newPage(), link);
  await bea.sees("up to date");
  await bea.shows("a😀b");
  await ada.sees("up to date");

  const ben = await stage.tab(link, "Ben");
  await ben.connect();
  await ben.seesPeers(2);
  await ben.shows("a😀b");
  await ada.sees("up to date", "up to date, through the server");
  await ben.press("Control+End");
  await ben.insert(" Ben");
  for (const tab of [ada, bea]) await tab.shows("a😀b Ben");
  await ada.press("Control+End");
  await ada.type(" Ada");
  for (const tab of [bea, ben]) await tab.shows("a😀b Ben Ada");
  await ben.press("Control+z");
  for (const tab of [ada, bea]) await tab.shows("a😀b Ada");

  await ada.reload();
  await ada.sees("up to date", "up to date, through the server");
  await ada.shows("a😀b Ada");
  await ada.press("Control+End");
  await ada.type("!");
  for (const tab of [bea, ben]) await tab.shows("a😀b Ada!");

  await bea.page.close();
  await ada.sees("up to date, through the server");
  await ada.page.close();
  await ben.seesPeers(0);
}, 240_000);
