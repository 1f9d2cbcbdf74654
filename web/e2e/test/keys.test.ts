import { expect } from "vitest";
import { test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

/** How long a page that must get nothing is watched, in milliseconds. */
const WATCHED_MS = 8_000;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** What a link has behind the `#`. */
function partsOf(link: string): URLSearchParams {
  return new URLSearchParams(new URL(link).hash.slice(1));
}

/** The link that the page would give to others by a button. */
async function linkBy(tab: Tab, button: string): Promise<string> {
  await tab.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  if (button !== "Copy link") await tab.page.getByText("More links").click();
  await tab.page.getByRole("button", { name: button }).click();
  const copied = tab.page.getByRole("button", { name: "Copied" });
  await copied.waitFor();
  return tab.page.evaluate(() => navigator.clipboard.readText());
}

test("without the room's key, or with another one, a page finds nobody, and says so", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const [ada, bob] = [await stage.tab(link, "Ada"), await stage.tab(link, "Bob")];
  for (const tab of [ada, bob]) await tab.connect();
  for (const tab of [ada, bob]) await tab.seesPeers(1);
  await ada.type("for those who have the key");
  await bob.shows("for those who have the key");

  const room = partsOf(link).get("room")!;
  const other = (key: string) => `${stage.server.url}/#${new URLSearchParams({ room, key })}`;
  // Eve knows the name of the room alone, Mallory has a key of another room, and Trudy shares Ada's browser.
  const eve = await stage.tab(`${stage.server.url}/?${new URLSearchParams({ room })}`, "Eve");
  const mallory = await stage.tab(other("m".repeat(22)), "Mallory");
  const trudy = await stage.tab(other("t".repeat(22)), "Trudy", { beside: ada });
  const outsiders = [eve, mallory, trudy];
  for (const tab of outsiders) await tab.connect();
  for (const tab of outsiders) await tab.seesPeers(0);
  await ada.type(", still");
  await bob.shows("for those who have the key, still");
  await pause(WATCHED_MS);
  for (const tab of outsiders) {
    expect(await tab.text()).toBe("");
    expect(await tab.status()).toBe("Connected (0 peers)");
    expect(await tab.people()).toHaveLength(1);
  }
  const hint = (tab: Tab) => tab.page.locator("#hint").textContent();
  expect(await hint(eve)).toMatch(/anyone who knows its name/);
  for (const tab of [mallory, trudy]) expect(await hint(tab)).toMatch(/another key/);
  // What outsiders write reaches nobody, either.
  for (const tab of outsiders) await tab.type("let me in");
  await pause(1_000);
  expect(await bob.text()).toBe("for those who have the key, still");
});

test("no request and no frame tells the server the name of a room with a key", async ({ stage }) => {
  const key = "k".repeat(22);
  const tab = await stage.emptyTab();
  const said: string[] = [];
  tab.page.on("request", (request) => said.push(request.url()));
  tab.page.on("websocket", (socket) => {
    said.push(socket.url());
    socket.on("framesent", ({ payload }) => said.push(String(payload)));
  });
  await tab.open(`${stage.server.url}/#room=walnut-grove&key=${key}`, "Ada");
  await tab.connect();
  await tab.seesPeers(0);
  expect(said.some((text) => text.includes('"join"'))).toBe(true);
  for (const text of said) expect(text).not.toMatch(/walnut|kkkkkk/);
});

test("an older link opens the same room", async ({ stage }) => {
  const link = stage.newSecretRoom();
  const parts = partsOf(link);
  const query = new URLSearchParams({ room: parts.get("room")! });
  const older = `${stage.server.url}/?${query}#key=${parts.get("key")}`;
  const [ada, bob] = [await stage.tab(link, "Ada"), await stage.tab(older, "Bob")];
  for (const tab of [ada, bob]) await tab.connect();
  for (const tab of [ada, bob]) await tab.seesPeers(1);
  const shown = new URL(bob.page.url());
  expect(shown.search).toBe("");
  expect(shown.hash).toBe(new URL(link).hash);
});

test("a link whose key was cut short opens no room without a key", async ({ stage }) => {
  const tab = await stage.emptyTab();
  await tab.open(`${stage.server.url}/#room=garden&key=short`, "Ada");
  expect(await tab.page.getByRole("alert").textContent()).toMatch(/cut short/);
  const parts = partsOf(tab.page.url());
  expect(parts.get("room")).not.toBe("garden");
  expect(parts.get("key")).toMatch(/^[\w-]{22}$/);
});

test("whoever has a read-only link follows, is seen, and cannot write", async ({ stage }) => {
  const link = stage.newSecretRoom();
  const ada = await stage.tab(link, "Ada");
  await ada.connect();
  await ada.type("read this");
  const readLink = await linkBy(ada, "Copy read-only link");
  expect(partsOf(readLink).has("key")).toBe(false);
  const rita = await stage.tab(readLink, "Rita");
  await rita.connect();
  for (const tab of [ada, rita]) await tab.seesPeers(1);
  await rita.shows("read this");
  expect(await rita.people()).toContain("Ada");
  expect(await ada.people()).toContain("Rita");
  const notes = ada.page.locator("#peers .how", { hasText: "reads only" });
  await expect.poll(() => notes.count(), { timeout: PATIENCE_MS }).toBe(1);
  await rita.type("not this");
  await ada.type("!");
  await rita.shows("read this!");
  expect(await ada.text()).toBe("read this!");
  for (const name of ["a.txt", "a.crdt"]) {
    const file = { name, mimeType: "", buffer: Buffer.from("not this") };
    await rita.page.locator("#file").setInputFiles(file);
    await rita.page.getByText("This link is for reading").waitFor();
  }
  expect(await rita.text()).toBe("read this!");
  expect(await rita.page.locator("#hint").textContent()).toMatch(/cannot change/);
  expect(await rita.page.getByText("More links").isVisible()).toBe(false);
});

test("a new link takes the text to another room", async ({ stage }) => {
  const link = stage.newSecretRoom();
  const [ada, bob] = [await stage.tab(link, "Ada"), await stage.tab(link, "Bob")];
  for (const tab of [ada, bob]) await tab.connect();
  for (const tab of [ada, bob]) await tab.seesPeers(1);
  await ada.type("moves");
  await bob.shows("moves");
  await ada.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await ada.page.getByText("More links").click();
  await ada.page.getByRole("button", { name: "New link" }).click();
  await bob.seesPeers(0);
  await ada.seesPeers(0);
  const fresh = await ada.page.url();
  expect(partsOf(fresh).get("key")).not.toBe(partsOf(link).get("key"));
  await ada.type(" on");
  const cleo = await stage.tab(fresh, "Cleo");
  await cleo.connect();
  await cleo.shows("moves on");
  expect(await bob.text()).toBe("moves");
});

/** Has WebCrypto refuse Ed25519, as browsers without it do. */
function hideEd25519() {
  const importKey = crypto.subtle.importKey.bind(crypto.subtle);
  crypto.subtle.importKey = ((...all: Parameters<typeof importKey>) =>
    all[2] === "Ed25519"
      ? Promise.reject(new DOMException("Unrecognized name.", "NotSupportedError"))
      : importKey(...all)) as typeof importKey;
}

test("a browser whose WebCrypto has no Ed25519 signs and checks by the library", async ({ stage }) => {
  const link = stage.newSecretRoom();
  const [old, ada] = [await stage.emptyTab(), await stage.tab(link, "Ada")];
  await old.page.addInitScript(hideEd25519);
  const loaded: string[] = [];
  for (const tab of [old, ada]) {
    tab.page.on("request", (request) => loaded.push(`${tab === old} ${request.url()}`));
  }
  await old.open(link, "Old");
  for (const tab of [old, ada]) await tab.connect();
  for (const tab of [old, ada]) await tab.seesPeers(1);
  await old.type("signed by a library");
  await ada.shows("signed by a library");
  await ada.type("checked and ");
  await old.shows("checked and signed by a library");
  const readLink = await linkBy(ada, "Copy read-only link");
  const rita = await stage.tab(readLink, "Rita");
  await rita.connect();
  await rita.shows("checked and signed by a library");
  const libraries = loaded.filter((url) => url.includes("ed25519_library"));
  expect(libraries).toHaveLength(1);
  expect(libraries[0]).toMatch(/^true /);
});
