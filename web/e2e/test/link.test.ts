// The link is all that somebody needs: the page connects by itself, and says what it waits for.
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect } from "vitest";
import { Server } from "../src/server.js";
import { type Stage, test } from "../src/stage.js";
import { NO_SERVER, PATIENCE_MS, type Tab } from "../src/tab.js";

/** A tab that follows a link, as a browser does that was never there. */
async function follow(stage: Stage, link: string): Promise<Tab> {
  const tab = await stage.emptyTab();
  await tab.page.goto(link);
  await tab.page.locator(".cm-content").waitFor();
  return tab;
}

test("a link opens a document in which one writes with the others, until one disconnects", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const [ada, ben] = [await follow(stage, link), await follow(stage, link)];
  for (const tab of [ada, ben]) await tab.seesPeers(1);
  await ada.type("Hello");
  await ben.shows("Hello");

  // Enter in the field of the name changes the name, and nothing else.
  const name = ada.page.getByLabel("Your name");
  await name.fill("Ada");
  await name.press("Enter");
  await expect.poll(async () => (await ben.people())[1], { timeout: PATIENCE_MS }).toBe("Ada");
  await ada.seesPeers(1);

  // What is disconnected stays so when it is loaded again.
  await ada.disconnect();
  await ben.seesPeers(0);
  await ada.page.reload();
  await ada.shows("Hello");
  expect(await ada.status()).toBe("Not connected");
  await ada.connect();
  for (const tab of [ada, ben]) await tab.seesPeers(1);
});

test("while the others' text may be on its way, the page says so", async ({ stage }) => {
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const link = new URL(stage.newSecretRoom());
  link.searchParams.set("server", `ws://127.0.0.1:${port}`);
  const ada = await follow(stage, link.href);
  await ada.page.getByText("The text of the others is on its way…").waitFor();
  expect(await ada.status()).toBe("Connecting…");
  await ada.disconnect();
  await ada.page.getByText("Write something…").waitFor();
  expect(await ada.page.getByRole("alert").isVisible()).toBe(false);
  silent.close();
  ada.forgive(NO_SERVER);
});

/** A JSON Web Token, signed with HS256. */
function tokenFor(room: string, secret: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({
    room,
    access: "write",
    exp: Math.floor(Date.now() / 1000) + 3600,
  })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

test("where the server wants a permission, it is asked for", async ({ stage }) => {
  const secret = "s".repeat(40);
  const server = await Server.start(0, "--token-secret", secret);
  const ada = await follow(stage, `${server.url}/?room=garden`);
  const token = ada.page.getByLabel("Permission (token)");
  await token.waitFor();
  await token.fill(tokenFor("garden", secret));
  await token.press("Enter");
  await ada.seesPeers(0);
  expect(await ada.page.getByRole("alert").isVisible()).toBe(false);
  await ada.close();
  await server.stop();
});
