// A network that lets requests through and breaks WebSockets.
import { expect } from "vitest";
import { Proxy } from "../src/proxy.js";
import { test } from "../src/stage.js";
import { PATIENCE_MS } from "../src/tab.js";

test("a tab behind a proxy that breaks WebSockets edits with the others, and says how it is connected", async ({
  stage,
}) => {
  const proxy = await Proxy.start(stage.server.url);
  const link = stage.newSecretRoom();
  // Behind a firewall as well: what is edited goes through the server.
  const ada = await stage.tab(proxy.link(link), "Ada", { firewall: true });
  const ben = await stage.tab(link, "Ben");
  for (const tab of [ada, ben]) await tab.connect();
  for (const tab of [ada, ben]) await tab.seesPeers(1);
  await ada.type("from Ada");
  await ben.shows("from Ada");
  expect(proxy.broken).toBeGreaterThan(0);

  const server = ada.page.locator("#doctor li[data-stage=signaling]");
  await expect
    .poll(() => server.locator(".detail").textContent(), { timeout: PATIENCE_MS })
    .toMatch(/no WebSocket/);
  expect(await server.getAttribute("data-outcome")).toBe("works");

  // A stream that breaks is resumed.
  proxy.breakAll();
  await ben.select(0);
  await ben.type("Ben, ");
  await ada.shows("Ben, from Ada");
  await ada.select(0);
  await ada.type("Hi ");
  await ben.shows("Hi Ben, from Ada");

  await ada.close();
  await proxy.stop();
  ada.forgive(/WebSocket connection to .* failed|net::ERR_/);
});
