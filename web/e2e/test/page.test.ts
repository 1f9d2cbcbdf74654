import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect } from "vitest";
import { test } from "../src/stage.js";
import { Server } from "../src/server.js";
import { NO_SERVER, PATIENCE_MS, type Tab } from "../src/tab.js";

test("a new visitor gets a room, whose link brings another to the same one", async ({ stage }) => {
  const ada = await stage.tab(stage.server.url, "Ada");
  await ada.connect();
  await ada.seesPeers(0);
  await ada.page.getByRole("button", { name: "Copy link" }).click();
  await ada.page.getByRole("button", { name: "Copied" }).waitFor();
  const link = await ada.page.evaluate(() => navigator.clipboard.readText());
  // The room's name stands where no request tells it.
  const fragment = new URLSearchParams(new URL(link).hash.slice(1));
  expect(fragment.get("room")).toBe(await ada.page.locator("#room").textContent());

  const bob = await stage.tab(link, "Bob");
  await bob.connect();
  for (const tab of [ada, bob]) await tab.seesPeers(1);
  await ada.type("Welcome!");
  await bob.shows("Welcome!");
});

/** A port on which nobody listens: one that was free a moment ago. */
async function closedPort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

test("a server that is not there is reported in words, and tried again", async ({ stage }) => {
  const link = stage.newRoom();
  const ada = await stage.tab(link, "Ada");
  await ada.type("kept");
  const server = ada.page.getByLabel("Signaling server");
  const right = await server.inputValue();
  await ada.page.getByText("Server", { exact: true }).click();
  const port = await closedPort();
  await server.fill(`ws://127.0.0.1:${port}`);
  await ada.connect();
  const problem = ada.page.getByRole("alert");
  await problem.waitFor();
  expect(await problem.textContent()).toMatch(/server cannot be reached.*Check that it runs/s);
  expect(await ada.status()).toBe("Reconnecting… (0 peers)");
  expect(await ada.text()).toBe("kept");
  const late = await Server.start(port);
  await ada.seesPeers(0);
  expect(await problem.isVisible()).toBe(false);
  await late.stop();
  // The browser itself writes that to the console.
  await expect.poll(() => ada.status(), { timeout: PATIENCE_MS }).toMatch(/Reconnecting/);
  ada.forgive(NO_SERVER);

  await ada.disconnect();
  await server.fill("ftp://localhost");
  await ada.connect();
  await expect.poll(() => problem.textContent()).toMatch(/no address of a server/);

  await server.fill(right);
  await ada.connect();
  await ada.seesPeers(0);
  expect(await problem.isVisible()).toBe(false);
  expect(await ada.text()).toBe("kept");
  ada.forgive(NO_SERVER);
});

test("while the server is away, who is linked goes on, and after that others come in", async ({
  stage,
}) => {
  const link = stage.newRoom();
  const tabs = [await stage.tab(link, "Ada"), await stage.tab(link, "Bob")];
  const [ada, bob] = tabs as [Tab, Tab];
  for (const tab of tabs) await tab.connect();
  for (const tab of tabs) await tab.seesPeers(1);

  const { port } = stage.server;
  await stage.server.crash();
  for (const tab of tabs) {
    await expect
      .poll(() => tab.status(), { timeout: PATIENCE_MS })
      .toBe("Reconnecting… (1 peer)");
  }
  await ada.type("still linked");
  await bob.shows("still linked");
  expect(await ada.page.getByRole("alert").isVisible()).toBe(false);

  stage.server = await Server.start(port);
  for (const tab of tabs) await tab.seesPeers(1);
  const cleo = await stage.tab(link, "Cleo");
  await cleo.connect();
  await cleo.shows("still linked");
  for (const tab of tabs) tab.forgive(NO_SERVER);
});

test("a room's name that cannot be used is refused in words", async ({ stage }) => {
  const tab = await stage.emptyTab();
  await tab.open(`${stage.server.url}/?room=${"x".repeat(129)}`, "Ada");
  expect(await tab.page.getByRole("alert").textContent()).toMatch(/too long/);
  await tab.connect();
  await tab.seesPeers(0);
});

test("a name is remembered, and two people may have the same", async ({ stage }) => {
  const [ada, other] = await stage.connectedTabs("Ada", "Ada");
  expect(await ada!.people()).toEqual(["Ada", "Ada"]);
  await other!.page.reload();
  await expect
    .poll(() => other!.page.getByLabel("Your name").inputValue(), { timeout: PATIENCE_MS })
    .toBe("Ada");
});

test("the status is announced, and everything has a name and can be reached by keyboard", async ({ stage }) => {
  const tab = await stage.tab(stage.newRoom(), "Ada");
  await tab.page.getByRole("textbox", { name: "The shared text" }).waitFor();
  await tab.page.getByRole("textbox", { name: "Your name" }).press("Enter");
  await tab.seesPeers(0);
  const unnamed = await tab.page.evaluate(() =>
    [...document.querySelectorAll("button, a, input, summary")]
      .filter((one) => !(one.textContent?.trim() || (one as HTMLInputElement).labels?.length))
      .map((one) => one.outerHTML),
  );
  expect(unnamed).toEqual([]);
});
