import { expect } from "vitest";
import { Server } from "../src/server.js";
import { test } from "../src/stage.js";
import { NO_SERVER, PATIENCE_MS, type Tab } from "../src/tab.js";

async function finds(tab: Tab, verdict: string, failing: string[]): Promise<void> {
  await expect
    .poll(() => tab.diagnosis(), { timeout: PATIENCE_MS })
    .toEqual({ verdict, failing });
}

test("the connection check names what fails, and says what to do", async ({ stage }) => {
  const ada = await stage.tab(stage.newRoom(), "Ada");
  await finds(ada, "Not connected", []);
  await ada.connect();
  await finds(ada, "All is well", []);

  const { port } = stage.server;
  await stage.server.crash();
  await finds(ada, "The server cannot be reached", ["signaling"]);
  const check = ada.page.getByText("Connection check");
  await check.click();
  const advice = ada.page.locator("#doctor .advice");
  expect(await advice.isVisible()).toBe(true);
  expect(await advice.textContent()).toMatch(/that the server runs/);
  const failing = ada.page.getByRole("listitem").filter({ hasText: "The server" });
  expect(await failing.textContent()).toMatch(/fails/);

  stage.server = await Server.start(port);
  await finds(ada, "All is well", []);
  expect(await advice.isVisible()).toBe(false);
  ada.forgive(NO_SERVER);
});

test("two people whose networks block each other, and who have no key, learn that", async ({
  stage,
}) => {
  const link = stage.newRoom();
  const tabs = [
    await stage.tab(link, "Ada", { firewall: true }),
    await stage.tab(link, "Ben", { firewall: true }),
  ];
  for (const tab of tabs) await tab.connect();
  for (const tab of tabs) {
    await expect
      .poll(async () => (await tab.diagnosis()).verdict, { timeout: PATIENCE_MS })
      .toBe("Your networks block a direct path");
    expect((await tab.diagnosis()).failing).toEqual(["ice"]);
    await tab.page.getByText("Connection check").click();
    expect(await tab.page.locator("#doctor .advice").textContent()).toMatch(/a link with a key/);
  }
});
