import { expect } from "vitest";
import { NativePeer } from "../src/native_peer.js";
import { Server } from "../src/server.js";
import { test } from "../src/stage.js";
import { NO_SERVER, type Tab } from "../src/tab.js";

/** What Chromium says of a socket whose server went away. */
async function append(tab: Tab, text: string): Promise<void> {
  await tab.press("Control+End");
  await tab.type(text);
}

test("a native peer keeps the text when the server dies and all pages are closed", async ({
  stage,
}) => {
  // Without a key there is no relay: what arrives came by WebRTC.
  const link = stage.newRoom();
  const peer = await NativePeer.join(link);
  try {
    const [ada, ben] = [await stage.tab(link, "Ada"), await stage.tab(link, "Ben")];
    for (const tab of [ada, ben]) await tab.connect();
    for (const tab of [ada, ben]) await tab.seesPeers(2);
    expect(await ada.people()).toContain("crdt-peer");
    await append(ada, "from Ada. ");
    await peer.has("from Ada. ");
    await peer.save("from Ada. And from a file. ");
    for (const tab of [ada, ben]) await tab.shows("from Ada. And from a file. ");

    const { port } = stage.server;
    await stage.server.crash();
    await append(ben, "Without a server. ");
    await peer.has("from Ada. And from a file. Without a server. ");
    stage.server = await Server.start(port);
    for (const tab of [ada, ben]) {
      await tab.seesPeers(2);
      tab.forgive(NO_SERVER);
    }

    for (const tab of [ada, ben]) await tab.close();
    const cleo = await stage.tab(link, "Cleo");
    await cleo.connect();
    await cleo.shows("from Ada. And from a file. Without a server. ");
    await cleo.seesPeers(1);
  } finally {
    expect(await peer.stop(), peer.said).toBe(0);
  }
});

test("a native peer and a page behind a firewall meet by the encrypted relay", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const peer = await NativePeer.join(link);
  try {
    const ada = await stage.tab(link, "Ada", { firewall: true });
    await ada.connect();
    await ada.seesPeers(1);
    expect(await ada.page.locator("#peers").textContent()).toContain("through the server");
    await append(ada, "secret");
    await peer.has("secret");
    await peer.save("secret words");
    await ada.shows("secret words");
  } finally {
    expect(await peer.stop(), peer.said).toBe(0);
  }
});
