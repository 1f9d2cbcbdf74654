import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Kept, NetworkSyncOptions } from "crdt-wasm";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { openPackagePage } from "../src/package_page.js";
import { Server } from "../src/server.js";
import { type Stage, test } from "../src/stage.js";
import { NO_SERVER, PATIENCE_MS } from "../src/tab.js";

const KEY = "k".repeat(22);

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "log-"));
});

afterAll(() => rm(folder, { recursive: true }));

/** Has the stage use a server that keeps rooms in a file, on the same port. */
async function keepRooms(stage: Stage): Promise<void> {
  const { port } = stage.server;
  await stage.server.stop();
  stage.server = await Server.start(port, "--store", join(folder, "rooms.redb"));
}

/** A page of the package with a document in a room. */
async function member(stage: Stage, room: string, options: NetworkSyncOptions): Promise<Page> {
  const page = await openPackagePage(stage);
  const server = stage.server.url.replace("http", "ws");
  await page.evaluate(
    async ([url, all]) => {
      const document = new crdt.Document({ name: "member" });
      const sync = new crdt.NetworkSync(document.handle, `member-${Math.random()}`, all);
      Object.assign(globalThis, { document_: document, sync });
      await sync.connect(url);
    },
    [`${server}/ws`, { room, ...options }] as const,
  );
  return page;
}

function kept(page: Page): Promise<Kept> {
  return page.evaluate("sync.getStatus().kept");
}

function textOf(page: Page): Promise<string> {
  return page.evaluate("document_.getText()");
}

function type(page: Page, text: string): Promise<unknown> {
  return page.evaluate(`document_.insert(document_.length, ${JSON.stringify(text)})`);
}

async function isKept(page: Page): Promise<void> {
  await expect.poll(async () => (await kept(page)).ahead, { timeout: PATIENCE_MS }).toBe(0);
}

async function shows(page: Page, text: string): Promise<void> {
  await expect.poll(() => textOf(page), { timeout: PATIENCE_MS }).toBe(text);
}

test("the text is there in another browser after everybody left and the server was killed", async ({
  stage,
}) => {
  await keepRooms(stage);
  const link = stage.newSecretRoom();
  const ada = await stage.tab(link, "Ada");
  await ada.connect();
  await ada.seesPeers(0);
  await ada.type("For those who come later.");
  const { hash } = new URL(link);
  const parts = new URLSearchParams(hash.slice(1));
  // A second member knows when the server has it.
  const witness = await member(stage, parts.get("room")!, { key: parts.get("key")! });
  await shows(witness, "For those who come later.");
  await isKept(witness);
  await ada.page.context().close();
  await witness.context().close();

  const { port } = stage.server;
  await stage.server.crash();
  stage.server = await Server.start(port, "--store", join(folder, "rooms.redb"));
  const ben = await stage.tab(link, "Ben");
  await ben.connect();
  await ben.shows("For those who come later.");
});

test("what is typed while the server is away is kept once it is back", async ({ stage }) => {
  await keepRooms(stage);
  const ada = await member(stage, "away", { key: KEY });
  await type(ada, "before, ");
  await isKept(ada);
  const { port } = stage.server;
  await stage.server.crash();
  await type(ada, "meanwhile, ");
  await expect.poll(async () => (await kept(ada)).problem, { timeout: PATIENCE_MS }).toMatch(/no signaling server/);
  stage.server = await Server.start(port, "--store", join(folder, "rooms.redb"));
  await type(ada, "after");
  await isKept(ada);
  await ada.context().close();
  stage.forgive(NO_SERVER);
  const ben = await member(stage, "away", { key: KEY });
  await shows(ben, "before, meanwhile, after");
});

test("what a reader leaves in the log is skipped", async ({ stage }) => {
  await keepRooms(stage);
  const ada = await member(stage, "readers", { key: KEY });
  await type(ada, "for all");
  await isKept(ada);
  const readKey = await ada.evaluate(
    ([key, room]) => crdt.NetworkSync.readKey(key, room),
    [KEY, "readers"] as const,
  );
  await ada.context().close();

  // A reader whose program writes to the log all the same: noise, what was written before, and parts of that.
  const rita = await openPackagePage(stage);
  const server = stage.server.url.replace("http", "ws");
  const answers = await rita.evaluate(
    async ([url, key]) => {
      const sockets: WebSocket[] = [];
      const Native = WebSocket;
      globalThis.WebSocket = class extends Native {
        constructor(address: string | URL) {
          super(address);
          sockets.push(this);
        }
      };
      const document = new crdt.Document({ name: "rita" });
      const sync = new crdt.NetworkSync(document.handle, "rita", { room: "readers", readKey: key });
      await sync.connect(url);
      const socket = sockets[0]!;
      const heard: { type: string; entries?: { payload: string }[] }[] = [];
      socket.addEventListener("message", ({ data }) => heard.push(JSON.parse(data as string)));
      const until = async (holds: () => boolean) => {
        while (!holds()) await new Promise((done) => setTimeout(done, 20));
      };
      await until(() => document.getText() === "for all");
      socket.send(JSON.stringify({ type: "log_read", after: 0 }));
      await until(() => heard.some((message) => message.type === "log_entries"));
      const { entries } = heard.find((message) => message.type === "log_entries")!;
      const known = entries![0]!.payload;
      for (const payload of [btoa("FORGED"), known, known.slice(0, 40), ""]) {
        socket.send(JSON.stringify({ type: "log_append", payload }));
      }
      await until(() => heard.filter((message) => message.type === "log_ack").length === 4);
      return heard.map((message) => message.type);
    },
    [`${server}/ws`, readKey] as const,
  );
  expect(answers.filter((type) => type === "log_ack")).toHaveLength(4);
  await rita.context().close();

  const ben = await member(stage, "readers", { key: KEY });
  await shows(ben, "for all");
  await expect.poll(async () => (await kept(ben)).skipped, { timeout: PATIENCE_MS }).toBe(3);
  await type(ben, ", and more");
  await isKept(ben);
  const carol = await member(stage, "readers", { readKey });
  await shows(carol, "for all, and more");
});

test("the status says why nothing is kept", async ({ stage }) => {
  await keepRooms(stage);
  const open = await member(stage, "open", {});
  await type(open, "for everybody");
  expect(await kept(open)).toMatchObject({ ahead: null, problem: expect.stringMatching(/has no key/) });
  await open.context().close();

  const { port } = stage.server;
  await stage.server.stop();
  stage.server = await Server.start(port);
  const ada = await member(stage, "not kept", { key: KEY });
  expect(await kept(ada)).toMatchObject({ ahead: null, problem: expect.stringMatching(/keeps no rooms/) });
});
