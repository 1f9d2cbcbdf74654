// Two tabs in Chromium, once with NetworkSync and once with yjs and y-webrtc, in turns.
//
// node bench.js TRACES SERVER CRDT-WASM BINDINGS OUT writes OUT, a page in Markdown.
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { oneCodeMirror, say } from "../shared.js";
import { freePort, launch } from "./processes.js";
import { median, report } from "./report.js";
import { serve } from "./serve.js";

const HERE = import.meta.dirname;
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--allow-loopback-in-peer-connection",
];
/** The longest that both deliver: its state in yjs just fits into one message of a data channel. */
const SHARED_TRACE = "rustcode";
const GREETING = "Somebody was here before. ";
const COUNTS = process.env["QUICK"]
  ? { connections: 3, rounds: 1, keys: 100, firstKeys: 10, presses: 60, joins: 1 }
  : { connections: 25, rounds: 12, keys: 400, firstKeys: 10, presses: 200, joins: 9 };
/** Chromium is busy with itself for a while after a page has opened. */
const REST_MS = process.env["QUICK"] ? 0 : 1500;
/** What a keystroke of ours takes. */
const KEY_BYTES = 5;
const KEY_GAP_MS = 20;
const PRESS_GAP_MS = 25;
const PATIENCE_MS = 15_000;

const [traces, serverBinary, crdtWasm, bindings, out] = process.argv
  .slice(2)
  .map((argument) => path.resolve(argument));
const dist = path.join(HERE, "dist");

async function bundle(name) {
  await build({
    entryPoints: [path.join(HERE, "page.js")],
    outfile: path.join(dist, `${name}.js`),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    alias: {
      subject: path.join(HERE, "subjects", `${name}.js`),
      "crdt-wasm": path.join(crdtWasm, "glue.js"),
      "@crdt/codemirror": path.join(bindings, "src", "index.ts"),
    },
    // One copy of CodeMirror, the one that the bindings find too.
    nodePaths: [path.join(HERE, "node_modules")],
    plugins: [oneCodeMirror(HERE)],
    logLevel: "error",
  });
}

/** The history's edits, in UTF-16 units, and the text at its end; `null` for one made by many. */
async function history(name) {
  const file = path.join(traces, `${name}.json.gz`);
  const trace = JSON.parse(gunzipSync(await readFile(file)));
  // What several typed at once cannot be typed again by one.
  if (trace.kind === "concurrent") return null;
  const patches = inUtf16(trace.txns.flatMap((txn) => txn.patches));
  const events = patches.reduce((sum, [, deleted, text]) => sum + deleted + text.length, 0);
  return { name, patches, events, text: trace.endContent };
}

/** The traces count in code points, and JavaScript counts some of these as two. */
function inUtf16(patches) {
  // Where those stand in the text, which are few.
  let wide = [];
  return patches.map(([position, deleted, inserted]) => {
    const before = wide.filter((at) => at < position);
    const after = wide.filter((at) => at >= position + deleted);
    const within = wide.length - before.length - after.length;
    const characters = [...inserted];
    const come = characters.flatMap((one, index) => (one.length === 2 ? [position + index] : []));
    wide = [...before, ...come, ...after.map((at) => at + characters.length - deleted)];
    return [position + before.length, deleted + within, inserted];
  });
}

/** The sequential history with the most events. */
async function largest() {
  let found;
  for (const file of await readdir(traces)) {
    const [, name] = /^(.*)\.json\.gz$/.exec(file) ?? [];
    if (name === undefined) continue;
    const candidate = await history(name);
    if (candidate && candidate.events > (found?.events ?? 0)) found = candidate;
  }
  return found;
}

class Stage {
  #rooms = 0;

  constructor(browser, origin, urls) {
    this.browser = browser;
    this.origin = origin;
    this.urls = urls;
  }

  /**
   * A page in a browser profile of its own, with the library loaded, and with the patches of a trace. With `join`, the
   * arguments of `bench.join`, it joins a room as soon as it is loaded.
   */
  async page(subject, { trace, join } = {}) {
    const context = await this.browser.newContext();
    const page = await context.newPage();
    page.on("pageerror", (error) => say(`${subject}: ${error}`));
    const query = new URLSearchParams();
    if (trace !== undefined) query.set("trace", trace);
    if (join !== undefined) query.set("join", JSON.stringify(join));
    await page.goto(`${this.origin}/${subject}?${query}`);
    await page.waitForFunction(() => globalThis.ready === true);
    return page;
  }

  newRoom() {
    this.#rooms += 1;
    return `room ${this.#rooms}`;
  }

  /** Two pages in one room, linked, the first of which had the greeting. */
  async pair(subject) {
    const room = this.newRoom();
    const [one, other] = [await this.page(subject), await this.page(subject)];
    const url = this.urls[subject];
    await one.evaluate(
      ([url, room, greeting]) => bench.open("ada", url, room, [[0, 0, greeting]]),
      [url, room, GREETING],
    );
    await this.rest();
    const joined = await other.evaluate(
      ([url, room, length, patience]) => bench.join("ben", url, room, length, patience),
      [url, room, GREETING.length, PATIENCE_MS],
    );
    if (joined === null) throw new Error(`${subject}: two pages did not meet`);
    for (const page of [one, other]) {
      await page.waitForFunction(() => bench.link() !== null);
      const link = await page.evaluate(() => bench.link());
      if (link !== "webrtc") throw new Error(`${subject}: the link is ${link}`);
    }
    return { one, other, joined };
  }

  async rest() {
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
  }

  async close(...pages) {
    for (const page of pages) await page.context().close();
  }

  /** Bare channels between two more pages. */
  async raw() {
    const pages = [];
    for (let count = 0; count < 2; count += 1) {
      const page = await (await this.browser.newContext()).newPage();
      await page.goto(`${this.origin}/raw`);
      await page.waitForFunction(() => "raw" in globalThis);
      pages.push(page);
    }
    await this.#meet(pages);
    await this.rest();
    return pages;
  }

  async #meet([one, other]) {
    const offer = await one.evaluate(() => raw.offer());
    const answer = await other.evaluate((offer) => raw.answer(offer), offer);
    await one.evaluate((answer) => raw.accept(answer), answer);
  }

  /** How far the second page's clock is ahead of the first's, measured beside their library. */
  async clock(one, other) {
    for (const page of [one, other]) await page.addScriptTag({ url: "/raw.js", type: "module" });
    for (const page of [one, other]) await page.waitForFunction(() => "raw" in globalThis);
    await this.#meet([one, other]);
    return one.evaluate(() => raw.clock(100));
  }
}

async function sameText(subject, ...pages) {
  const [text, ...others] = await Promise.all(pages.map((page) => page.evaluate(() => bench.text())));
  if (others.some((other) => other !== text)) throw new Error(`${subject}: the texts differ`);
  return text;
}

async function connections(stage, subject) {
  const { one, other, joined } = await stage.pair(subject);
  await sameText(subject, one, other);
  await stage.close(one, other);
  return joined.total;
}

/**
 * A link is opened, in a page that joins as soon as it can: how long from there to the text, and the latencies of the
 * keys that are typed right after that.
 */
async function opening(stage, subject) {
  const room = stage.newRoom();
  const url = stage.urls[subject];
  const one = await stage.page(subject);
  await one.evaluate(
    ([url, room, greeting]) => bench.open("ada", url, room, [[0, 0, greeting]]),
    [url, room, GREETING],
  );
  await stage.rest();
  await one.evaluate(() => bench.listen());
  const other = await stage.page(subject, { join: ["ben", url, room, GREETING.length, PATIENCE_MS] });
  const joined = await other.evaluate(() => globalThis.joined);
  if (joined === null) throw new Error(`${subject}: two pages did not meet`);
  const { presses } = await other.evaluate(
    ([keys, gap]) => bench.type(keys, gap),
    [COUNTS.firstKeys, KEY_GAP_MS],
  );
  const arrivals = new Map(await one.evaluate(() => bench.arrivals()));
  const { ahead } = await stage.clock(other, one);
  await sameText(subject, one, other);
  await stage.close(one, other);
  return { opened: joined.open, firstKeys: latenciesOf(presses, arrivals, ahead) };
}

/** Latencies of keys typed into the document. */
async function typing(stage, subject) {
  const { one, other } = await stage.pair(subject);
  const { ahead } = await stage.clock(one, other);
  await other.evaluate(() => bench.listen());
  const { presses, sending, bytes, messages } = await one.evaluate(
    ([keys, gap]) => bench.type(keys, gap),
    [COUNTS.keys, KEY_GAP_MS],
  );
  const arrivals = new Map(await other.evaluate(() => bench.arrivals()));
  const receiving = await other.evaluate(() => bench.receiving());
  await sameText(subject, one, other);
  await stage.close(one, other);
  return {
    sending,
    receiving,
    latencies: latenciesOf(presses, arrivals, ahead),
    bytes: bytes / COUNTS.keys,
    messages: messages / COUNTS.keys,
  };
}

/** Latencies of messages as short as keystrokes, over a bare channel. */
async function signalling(stage) {
  const [one, other] = await stage.raw();
  const { ahead } = await one.evaluate(() => raw.clock(100));
  await other.evaluate(() => raw.listen());
  const sent = await one.evaluate(
    ([keys, gap, bytes]) => raw.type(keys, gap, bytes),
    [COUNTS.keys, KEY_GAP_MS, KEY_BYTES],
  );
  const arrivals = new Map(await other.evaluate(() => raw.arrivals()));
  await stage.close(one, other);
  return latenciesOf(sent, arrivals, ahead);
}

/** From each key to the first text there that had it. */
function latenciesOf(presses, arrivals, ahead) {
  const lengths = [...arrivals.keys()].sort((one, other) => one - other);
  return presses.map(([length, pressed]) => {
    const shown = lengths.find((there) => there >= length);
    if (shown === undefined) throw new Error(`the text of length ${length} did not arrive`);
    return arrivals.get(shown) - ahead - pressed;
  });
}

/** Latencies from key events to the character in the other editor's DOM. */
async function editing(stage, subject) {
  const { one, other } = await stage.pair(subject);
  const { ahead } = await stage.clock(one, other);
  for (const page of [one, other]) await page.evaluate(() => bench.edit());
  const editor = one.locator(".cm-content");
  await editor.focus();
  await one.keyboard.press("End");
  const begun = performance.now();
  for (let count = 0; count < COUNTS.presses; count += 1) {
    const wait = begun + count * PRESS_GAP_MS - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    await one.keyboard.press("abcdefghijklmnopqrstuvwxyz"[count % 26]);
  }
  const full = GREETING.length + COUNTS.presses;
  await other
    .waitForFunction((length) => bench.shown().length === length, full)
    .catch(async () => {
      const shown = await Promise.all([one, other].map((page) => page.evaluate(() => bench.shown())));
      throw new Error(`${subject}: the editors show ${JSON.stringify(shown)}`);
    });
  // The first key was End.
  const pressed = (await one.evaluate(() => bench.presses())).slice(1);
  const arrivals = new Map(await other.evaluate(() => bench.arrivals()));
  const text = await sameText(subject, one, other);
  for (const page of [one, other]) {
    if ((await page.evaluate(() => bench.shown())) !== text) throw new Error("an editor differs");
  }
  await stage.close(one, other);
  const presses = pressed.map((at, index) => [GREETING.length + index + 1, at]);
  return latenciesOf(presses, arrivals, ahead);
}

/** Somebody joins who lacks all of a history; `plain`: and does not take it compressed. */
async function joining(stage, subject, trace, plain = false) {
  const room = stage.newRoom();
  const [one, other] = [await stage.page(subject, { trace: trace.name }), await stage.page(subject)];
  const url = stage.urls[subject];
  await one.evaluate(([url, room]) => bench.open("ada", url, room, globalThis.patches), [url, room]);
  await other.evaluate((plain) => (channels.plain = plain), plain);
  await stage.rest();
  const joined = await other.evaluate(
    ([url, room, length, patience]) => bench.join("ben", url, room, length, patience),
    [url, room, trace.text.length, PATIENCE_MS],
  );
  if (joined !== null && (await sameText(subject, one, other)) !== trace.text) {
    throw new Error(`${subject}: the text of ${trace.name} came out wrong`);
  }
  await stage.close(one, other);
  return joined;
}

/** So many bytes over a bare channel. */
async function sending(stage, bytes) {
  const [one, other] = await stage.raw();
  const { ahead } = await one.evaluate(() => raw.clock(100));
  await other.evaluate((bytes) => raw.receive(bytes), bytes);
  const begun = await one.evaluate((bytes) => raw.send(bytes), bytes);
  const ended = await other.evaluate(() => raw.received());
  await stage.close(one, other);
  return ended - ahead - begun;
}

async function version(name) {
  const file = path.join(HERE, "node_modules", name, "package.json");
  return JSON.parse(await readFile(file, "utf8")).version;
}

async function measure(stage, traces) {
  const SUBJECTS = ["ours", "yjs"];
  const results = Object.fromEntries(
    SUBJECTS.map((name) => [
      name,
      {
        connections: [],
        opened: [],
        firstKeys: [],
        latencies: [],
        sending: [],
        receiving: [],
        bytes: [],
        messages: [],
        editor: [],
        joins: {},
      },
    ]),
  );
  // In turns, so that what else the machine does meets both.
  for (let count = 0; count < COUNTS.connections; count += 1) {
    for (const name of SUBJECTS) {
      results[name].connections.push(await connections(stage, name));
      const { opened, firstKeys } = await opening(stage, name);
      results[name].opened.push(opened);
      results[name].firstKeys.push(...firstKeys);
    }
  }
  say(`connected ${COUNTS.connections} times each`);
  const bare = [];
  for (let round = 0; round < COUNTS.rounds; round += 1) {
    for (const name of SUBJECTS) {
      const { latencies, sending, receiving, bytes, messages } = await typing(stage, name);
      results[name].latencies.push(...latencies);
      results[name].sending.push(...sending);
      results[name].receiving.push(...receiving);
      results[name].bytes.push(bytes);
      results[name].messages.push(messages);
      results[name].editor.push(...(await editing(stage, name)));
    }
    bare.push(...(await signalling(stage)));
    say(`typed, round ${round + 1} of ${COUNTS.rounds}`);
  }
  const raw = {};
  for (const trace of traces) {
    for (const name of SUBJECTS) results[name].joins[trace.name] = [];
    const { bytes: plain } = await joining(stage, "ours", trace, true);
    raw[trace.name] = { plain, packed: [], whole: [] };
    for (let count = 0; count < COUNTS.joins; count += 1) {
      for (const name of SUBJECTS) {
        const joins = results[name].joins[trace.name];
        // What did not come once will not come.
        if (joins.includes(null)) continue;
        joins.push(await joining(stage, name, trace));
      }
      const { bytes } = results.ours.joins[trace.name].at(-1);
      raw[trace.name].whole.push(await sending(stage, plain));
      raw[trace.name].packed.push(await sending(stage, bytes));
    }
    say(`joined, ${trace.name}`);
  }
  return { results, raw, bare };
}

await mkdir(dist, { recursive: true });
say("bundling");
for (const name of ["ours", "yjs"]) await bundle(name);
const all = [await largest(), await history(SHARED_TRACE)];
for (const { name, patches } of all) {
  await writeFile(path.join(dist, `${name}.json`), JSON.stringify(patches));
}
const { server, origin } = await serve(HERE, dist, path.join(crdtWasm, "crdt_wasm_bg.wasm"));
const ours = await launch(serverBinary, ["--host", "127.0.0.1", "--port", "0"], {
  NO_COLOR: "1",
  RUST_LOG: "info",
}, /listening on http:\/\/(\S+)/);
const port = String(await freePort());
const theirs = await launch(
  process.execPath,
  [path.join(HERE, "node_modules", "y-webrtc", "bin", "server.js")],
  { PORT: port },
  /running/i,
);
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: FLAGS,
});
try {
  const stage = new Stage(browser, origin, {
    ours: `ws://${ours.found[1].replace(/\/$/, "")}`,
    yjs: `ws://127.0.0.1:${port}`,
  });
  say("measuring");
  const { results, raw, bare } = await measure(stage, all);
  const versions = {
    chromium: browser.version(),
    yjs: await version("yjs"),
    yWebrtc: await version("y-webrtc"),
    yCodemirror: await version("y-codemirror.next"),
  };
  await writeFile(path.join(dist, "results.json"), JSON.stringify({ results, raw, bare }));
  const traceFacts = all.map(({ name, events, text }) => ({ name, events, length: text.length }));
  await writeFile(out, report({ results, raw, bare, versions, counts: COUNTS, traces: traceFacts }));
  say(`written: ${out}`);
} finally {
  await browser.close();
  server.close();
  for (const { child } of [ours, theirs]) child.kill();
}
