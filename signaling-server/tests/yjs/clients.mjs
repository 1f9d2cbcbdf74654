// Real Yjs clients against a running server: node clients.mjs edit|read|return|large ws://HOST:PORT/yjs
// `edit` puts clients through their paces and prints the text that all of them end with; `read`
// prints the text that a client gets which comes when nobody else is there. In `return` forty clients come
// back at once, and in `large` a document of YJS_MEGABYTES (4) comes and goes. Where the text is large, its length
// and beginning are printed.

import assert from "node:assert/strict";
import WebSocket from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

const [task, url] = process.argv.slice(2);
const ROOM = "team/garden plan";
const PATIENCE_MS = 60_000;

/** Waits for something that has to happen. */
async function until(what, holds) {
  const end = Date.now() + PATIENCE_MS;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

class Client {
  constructor(name, doc = new Y.Doc()) {
    this.name = name;
    this.doc = doc;
    this.text = doc.getText("text");
    this.provider = new WebsocketProvider(url, ROOM, doc, {
      WebSocketPolyfill: WebSocket,
      disableBc: true,
    });
    this.provider.awareness.setLocalStateField("user", { name });
    this.closed = 0;
    this.provider.on("connection-close", () => {
      this.closed += 1;
    });
  }

  synced() {
    return until(`${this.name} is synced`, () => this.provider.synced);
  }

  users() {
    return [...this.provider.awareness.getStates().values()].map((state) => state.user?.name).sort();
  }

  leave() {
    this.provider.destroy();
  }
}

function converged(...clients) {
  return until(`${clients.map((client) => client.name)} converge`, () =>
    clients.every((client) => client.text.toString() === clients[0].text.toString()),
  );
}

async function edit() {
  const [anna, ben, cleo] = ["anna", "ben", "cleo"].map((name) => new Client(name));
  await Promise.all([anna.synced(), ben.synced(), cleo.synced()]);

  // All write in the same place at the same time.
  for (let i = 0; i < 50; i += 1) {
    for (const client of [anna, ben, cleo]) client.text.insert(0, `${client.name}${i} 🦀 `);
  }
  const parts = () => anna.text.toString().split("🦀").length - 1;
  await until("everybody's words are there", () => parts() === 150);
  await converged(anna, ben, cleo);

  // Presence, and its end.
  const all = ["anna", "ben", "cleo"];
  await until("all see all", () => [anna, ben, cleo].every((one) => one.users().join() === all.join()));
  cleo.leave();
  await until("cleo is gone", () => [anna, ben].every((one) => one.users().join() === "anna,ben"));

  // Who comes late gets the text and who is there.
  const dora = new Client("dora");
  await dora.synced();
  await converged(anna, dora);
  await until("dora sees the others", () => dora.users().join() === "anna,ben,dora");

  // Work done without a connection arrives, both ways, when there is one again.
  ben.provider.disconnect();
  await until("ben is off", () => !ben.provider.wsconnected);
  ben.text.insert(0, "written off the line; ");
  anna.text.insert(anna.text.length, "; written meanwhile");
  ben.provider.connect();
  await converged(anna, ben, dora);
  assert.match(anna.text.toString(), /^written off the line; .*; written meanwhile$/);

  // So many changes that the log is replaced by a snapshot on the way, while another one writes.
  for (let i = 0; i < 1200; i += 1) {
    anna.text.insert(anna.text.length, "a");
    if (i % 10 === 0) {
      dora.text.insert(0, "d");
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await converged(anna, ben, dora);
  const text = anna.text.toString();
  assert.equal(text.length, ben.text.length);
  for (const client of [anna, ben, dora]) client.leave();

  // Nobody is there any more.
  const erik = new Client("erik");
  await erik.synced();
  assert.equal(erik.text.toString(), text);
  erik.leave();
  return text;
}

async function read() {
  const client = new Client("reader");
  await client.synced();
  const text = summary(client.text.toString());
  client.leave();
  return text;
}

/** Forty clients have a document and were away, during which each wrote a word. */
async function comeBack() {
  const first = new Client("first");
  await first.synced();
  for (let i = 0; i < 100; i += 1) first.text.insert(first.text.length, `${i} ${"lorem ipsum ".repeat(100)}\n`);
  first.text.delete(0, 500);
  const update = Y.encodeStateAsUpdate(first.doc);
  const docs = Array.from({ length: 40 }, () => {
    const doc = new Y.Doc();
    Y.applyUpdate(doc, update);
    doc.getText("text").insert(0, `${doc.clientID} was away. `);
    return doc;
  });
  const clients = docs.map((doc, index) => new Client(`client ${index}`, doc));
  await Promise.all(clients.map((client) => client.synced()));
  const words = () => first.text.toString().split("was away").length - 1;
  await until("all words are there", () => words() === 40);
  await converged(first, ...clients);
  const text = first.text.toString();
  for (const client of [first, ...clients]) client.leave();
  return text;
}

async function large() {
  const size = Number(process.env.YJS_MEGABYTES ?? 4) << 20;
  const doc = new Y.Doc();
  const line = "a line of a large document, which somebody pasted\n";
  while (doc.getText("text").length < size) {
    doc.transact(() => {
      for (let i = 0; i < 1000; i += 1) doc.getText("text").insert(0, line);
    });
  }
  const first = new Client("first", doc);
  const second = new Client("second");
  await Promise.all([first.synced(), second.synced()]);
  await until("the second has it", () => second.text.length === first.text.length);
  // Both go on from there, and nobody was closed.
  second.text.insert(0, "first of all, ");
  await until("the first has the change", () => first.text.length === second.text.length);
  assert.equal(first.closed + second.closed, 0);
  const late = new Client("late");
  await late.synced();
  assert.equal(late.text.length, first.text.length);
  const text = summary(late.text.toString());
  for (const client of [first, second, late]) client.leave();
  return text;
}

/** A text, or what tells a large one from others. */
function summary(text) {
  return text.length < 1 << 20 ? text : `${text.length} ${text.slice(0, 100)}`;
}

const tasks = { edit, read, return: comeBack, large };
process.stdout.write(JSON.stringify(await tasks[task]()), () => process.exit(0));
