import type { Page } from "playwright-core";
import { expect } from "vitest";
import { openPackagePage } from "../src/package_page.js";
import { type Stage, test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

const KEY = "k".repeat(22);
const ROOM = "walnut-grove";

/** How long an attempt has for taking effect, in milliseconds. */
const ATTEMPT_MS = 1_500;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** A message of the signaling API. */
interface Message {
  type: string;
  from?: string;
  to?: string;
  [field: string]: unknown;
}

/** What a server does with a message that it is to pass on: what it sends in its place. */
type Conduct = (message: Message) => Message[];

/** Sits between pages and the real server, where a server that is not honest would. */
class HostileServer {
  /** Everything that passed, in both directions. */
  readonly seen: string[] = [];
  conduct: Conduct = (message) => [message];

  async serve(page: Page): Promise<void> {
    await page.routeWebSocket(/\/ws$/, (socket) => {
      const server = socket.connectToServer();
      socket.onMessage((text) => {
        this.seen.push(String(text));
        server.send(text);
      });
      server.onMessage((text) => {
        this.seen.push(String(text));
        const message = JSON.parse(String(text)) as Message;
        const passed = isSignal(message) || message.type === "relay" ? this.conduct(message) : [message];
        for (const one of passed) socket.send(JSON.stringify(one));
      });
    });
  }
}

function isSignal({ type }: Message): boolean {
  return type === "offer" || type === "answer" || type === "ice_candidate";
}

/** Two tabs of one room, whose server is not honest. */
async function tabsBehind(server: HostileServer, stage: Stage): Promise<[Tab, Tab]> {
  const tabs = [await stage.emptyTab(), await stage.emptyTab()] as const;
  for (const [index, tab] of tabs.entries()) {
    await server.serve(tab.page);
    const room = `${ROOM}-${KEY.length}`;
    await tab.open(`${stage.server.url}/#room=${room}&key=${KEY}`, ["Ada", "Bob"][index]!);
  }
  return [...tabs];
}

test("a server that reads everything learns nothing of the text, the names, or the addresses", async ({
  stage,
}) => {
  const server = new HostileServer();
  const [ada, bob] = await tabsBehind(server, stage);
  for (const tab of [ada, bob]) await tab.connect();
  for (const tab of [ada, bob]) await tab.seesPeers(1);
  await ada.type("a secret");
  await bob.shows("a secret");
  expect(server.seen.some((text) => text.includes('"offer"'))).toBe(true);
  for (const text of server.seen) {
    expect(text).not.toMatch(/secret|walnut|fingerprint|candidate:|kkkk/);
  }
});

test("a server that swaps descriptions gets no connection, and the members go on without it", async ({
  stage,
}) => {
  const server = new HostileServer();
  const [ada, bob] = await tabsBehind(server, stage);
  // The description of a connection of the server's own, in place of every one that passes.
  const { page: own } = await stage.emptyTab();
  await own.goto("about:blank");
  const sdp = await own.evaluate(async () => {
    const connection = new RTCPeerConnection();
    connection.createDataChannel("sync");
    const offer = await connection.createOffer();
    await connection.setLocalDescription(offer);
    return offer.sdp ?? "";
  });
  let swapped = 0;
  server.conduct = (message) => {
    if (message.type !== "offer" && message.type !== "answer") return [message];
    swapped += 1;
    return [{ ...message, [message.type]: { type: message.type, sdp } }];
  };
  for (const tab of [ada, bob]) await tab.connect();
  await ada.type("not for the server");
  // The sealed relay carries the text.
  await bob.shows("not for the server");
  expect(swapped).toBeGreaterThan(0);
  for (const tab of [ada, bob]) {
    const through = tab.page.locator("#peers .how", { hasText: "through the server" });
    await expect.poll(() => through.count(), { timeout: PATIENCE_MS }).toBe(1);
  }
});

test("a server that repeats and reorders what passes changes nothing", async ({ stage }) => {
  const server = new HostileServer();
  const [ada, bob] = await tabsBehind(server, stage);
  const before = new Map<string, Message[]>();
  server.conduct = (message) => {
    const all = before.get(message.to ?? "") ?? [];
    before.set(message.to ?? "", [...all, message]);
    // With every description comes what was passed on before it, in the opposite order.
    const isDescription = message.type === "offer" || message.type === "answer";
    const repeated = isDescription ? all.slice(-20).reverse() : [];
    return [...repeated, message, message];
  };
  for (const tab of [ada, bob]) await tab.connect();
  await ada.type("once");
  await bob.shows("once");
  await bob.disconnect();
  await bob.connect();
  await bob.select(4);
  await bob.type(" and again");
  await ada.shows("once and again");
  expect(await bob.text()).toBe("once and again");
});

/** The ways in which a page with the read-only link tries to write. */
const WAYS = [
  "edits its document",
  "sends changes over the data channel",
  "sends compressed changes",
  "sends changes in fragments",
  "sends operations as JSON",
  "sends changes on the channel of presence",
  "sends changes over the relay",
  "takes its read key for a key",
  "says hello under the name of a writer, and sends changes",
  "sends changes over a transport of its own",
] as const;

/** Has a page with the read-only link try one way. Runs in the page. */
async function attempt([way, server, room, readKey]: readonly [string, string, string, string]) {
  const { crdt } = globalThis;
  const relay = way === "sends changes over the relay";
  const channels: RTCDataChannel[] = [];
  const { send } = RTCDataChannel.prototype;
  const hook = function (this: RTCDataChannel, data: never) {
    if (!channels.includes(this)) channels.push(this);
    Reflect.apply(send, this, [data]);
  };
  RTCDataChannel.prototype.send = hook;
  const document = crdt.create_document(`reader ${Math.random()}`);
  const secret = way === "takes its read key for a key" ? { key: readKey } : { readKey };
  const sync = new crdt.NetworkSync(document, `reader-${Math.random()}`, {
    room,
    ...secret,
    links: relay ? ["relay"] : ["webrtc"],
  });
  const until = async (holds: () => boolean) => {
    for (let tries = 0; tries < 500 && !holds(); tries += 1) {
      await new Promise((done) => setTimeout(done, 20));
    }
    return holds();
  };
  await sync.connect(server);
  const isIn = await until(() => sync.getStatus().links.some((link) => link.synced));
  const forged = crdt.create_document("forger");
  crdt.insert(forged, 0, "FORGED");
  const patch = crdt.encode_since(forged);
  const changes = new Uint8Array([0x10, ...patch]);
  const say = (data: Uint8Array | string) => {
    for (const channel of channels) Reflect.apply(send, channel, [data]);
  };
  switch (way) {
    case "sends changes over the data channel":
      say(changes);
      break;
    case "sends changes on the channel of presence":
      for (const channel of channels.slice(1)) Reflect.apply(send, channel, [changes]);
      break;
    case "sends compressed changes":
      say(new Uint8Array([0x11, patch.length, patch.length << 4, ...patch]));
      break;
    case "sends changes in fragments":
      for (const part of [0, 1]) {
        const half = changes.slice(part * 8, part === 0 ? 8 : undefined);
        say(new Uint8Array([0x02, 1, part, 2, ...half]));
      }
      break;
    case "sends operations as JSON":
      say(
        JSON.stringify({
          type: "operations",
          sender: "forger",
          ops: crdt.get_operations_json(forged),
          frontier: crdt.get_frontier_json(forged),
        }),
      );
      break;
    case "says hello under the name of a writer, and sends changes":
      say(new Uint8Array([1, 1, 1, 3, 0, 9, 9, 9, 9, 9, 9, 9, 9, 3, 65, 100, 97, 0]));
      say(changes);
      break;
    case "sends changes over a transport of its own":
      sync.addTransport({
        start({ connect, receive }) {
          connect();
          receive(changes);
        },
        send() {},
        stop() {},
      });
      break;
    default:
      crdt.insert(document, 0, "FORGED");
  }
  await new Promise((done) => setTimeout(done, 500));
  const text = crdt.get_text(document);
  const { readOnly } = sync.getStatus();
  sync.destroy();
  RTCDataChannel.prototype.send = send;
  return { isIn, text, readOnly };
}

test("whoever has the read-only link cannot write in any of ten ways", async ({ stage }) => {
  const ada = await stage.tab(`${stage.server.url}/#room=${ROOM}&key=${KEY}`, "Ada");
  const bob = await stage.tab(`${stage.server.url}/#room=${ROOM}&key=${KEY}`, "Bob");
  for (const tab of [ada, bob]) await tab.connect();
  for (const tab of [ada, bob]) await tab.seesPeers(1);
  await ada.type("as it was");
  await bob.shows("as it was");
  const page = await openPackagePage(stage);
  const [room, key] = [ROOM, KEY];
  const readKey = await page.evaluate(
    ([key, room]) => globalThis.crdt.NetworkSync.readKey(key, room),
    [key, room] as const,
  );
  const server = `${stage.server.url.replace("http", "ws")}/ws`;
  for (const way of WAYS) {
    const outcome = await page.evaluate(attempt, [way, server, room, readKey] as const);
    const isAReader = way !== "takes its read key for a key";
    expect([way, outcome.isIn, outcome.readOnly]).toEqual([way, isAReader, isAReader]);
    if (isAReader) expect(outcome.text).toContain("as it was");
    await pause(ATTEMPT_MS);
    for (const tab of [ada, bob]) expect([way, await tab.text()]).toEqual([way, "as it was"]);
  }
  for (const tab of [ada, bob]) await tab.seesPeers(1);
  await ada.type(", and is");
  await bob.shows("as it was, and is");
});
