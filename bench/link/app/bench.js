// The app beside a page with y-codemirror.next and y-webrtc, in Chromium, in turns.
//
// node bench.js SERVER OUT writes OUT, a page in Markdown.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { say } from "../../shared.js";
import { freePort, launch } from "../processes.js";
import { report } from "./report.js";

const HERE = import.meta.dirname;
const LINK = path.dirname(HERE);
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
/** As the developer tools simulate fast 3G. */
const FAST_3G = { offline: false, latency: 562.5, downloadThroughput: 180_000, uploadThroughput: 84_375 };
/** The first word of every text. */
const MARK = "Beginning";
const LENGTHS = { empty: 0, "100 KB": 100_000, "1 MB": 1_000_000 };
/** y-webrtc sends a text as one message, and a data channel takes no longer one than 256 KiB. */
const SHARED_MOST = 200_000;
const COUNTS = process.env["QUICK"]
  ? { openings: 1, rounds: 1, keys: 40 }
  : { openings: 9, rounds: 5, keys: 200 };
const KEY_GAP_MS = 40;
/** Chromium is busy with itself for a while after a page has opened. */
const REST_MS = process.env["QUICK"] ? 0 : 1500;

const [serverBinary, out] = process.argv.slice(2).map((argument) => path.resolve(argument));
const dist = path.join(LINK, "dist");

/** A text of lines of words. */
function textOf(length) {
  const words = "the text of a page that several people write at the same time has lines like these";
  const lines = [`${MARK} of the text`];
  let size = lines[0].length;
  for (let line = 0; size < length; line += 1) {
    const next = `${line} ${words}`;
    lines.push(next);
    size += next.length + 1;
  }
  return lines.join("\n").slice(0, length);
}

/** Serves the page with Yjs, compressed as the app is. */
async function serveYjs() {
  await build({
    entryPoints: [path.join(HERE, "yjs_page.js")],
    outfile: path.join(dist, "yjs_page.js"),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    logLevel: "error",
  });
  const script = brotliCompressSync(await readFile(path.join(dist, "yjs_page.js")));
  const html = brotliCompressSync(
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Yjs</title><script type="module" src="/yjs_page.js"></script></html>',
  );
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const [type, body] =
      pathname === "/yjs_page.js" ? ["text/javascript", script] : ["text/html", html];
    response.writeHead(pathname === "/favicon.ico" ? 404 : 200, {
      "content-type": type,
      "content-encoding": "br",
      "content-length": body.length,
    });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

/** A page in a browser profile of its own, with nothing in its cache, on its way to the link. */
async function open(browser, link, network = null) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("pageerror", (error) => say(`${link}: ${error}`));
  await page.addInitScript(`globalThis.MARK = ${JSON.stringify(MARK)}`);
  await page.addInitScript({ path: path.join(HERE, "watch.js") });
  if (network !== null) {
    const devtools = await context.newCDPSession(page);
    await devtools.send("Network.enable");
    await devtools.send("Network.emulateNetworkConditions", network);
  }
  await page.goto(link, { waitUntil: "commit" });
  await page.waitForFunction(() => watched.typeable !== null);
  return page;
}

/** Pastes a text into the editor. */
async function paste(page, text) {
  if (text === "") return;
  await page.evaluate((text) => {
    const data = new DataTransfer();
    data.setData("text/plain", text);
    const event = { clipboardData: data, bubbles: true, cancelable: true };
    document.querySelector(".cm-content").dispatchEvent(new ClipboardEvent("paste", event));
  }, text);
}

async function rest() {
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
}

async function close(...pages) {
  for (const page of pages) await page.context().close();
}

/** Opens a link to a room where somebody has a text of this length. */
async function opening(browser, subject, length, network) {
  const link = subject.link();
  const holder = await open(browser, link);
  await paste(holder, textOf(length));
  await rest();
  const page = await open(browser, link, network);
  if (length > 0) await page.waitForFunction(() => watched.shown !== null);
  await page.waitForLoadState("networkidle");
  const times = await page.evaluate(() => {
    const requests = [
      ...performance.getEntriesByType("navigation"),
      ...performance.getEntriesByType("resource"),
    ];
    const bytesBefore = (time) =>
      requests
        .filter(({ startTime }) => startTime < time)
        .reduce((sum, { transferSize }) => sum + transferSize, 0);
    const { typeable, shown } = watched;
    return { typeable, shown, bytesToType: bytesBefore(typeable), bytes: bytesBefore(Infinity) };
  });
  await close(holder, page);
  return times;
}

/** From each key to the frame that shows it, at the end of a text of this length. */
async function typing(browser, subject, length) {
  const link = subject.link();
  const page = await open(browser, link);
  // What is there before the document is open, as in the app, is not what is measured.
  await page.waitForLoadState("networkidle");
  await paste(page, textOf(length));
  const pages = [page];
  if (length <= SHARED_MOST) {
    const other = await open(browser, link);
    if (length > 0) await other.waitForFunction(() => watched.shown !== null);
    pages.push(other);
  }
  await rest();
  await page.bringToFront();
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+End");
  await page.evaluate(() => (watched.paints.length = 0));
  const begun = performance.now();
  for (let count = 0; count < COUNTS.keys; count += 1) {
    const wait = begun + count * KEY_GAP_MS - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    await page.keyboard.press("abcdefghijklmnopqrstuvwxyz"[count % 26]);
  }
  await page.waitForFunction((keys) => watched.paints.length >= keys, COUNTS.keys);
  const paints = await page.evaluate(() => watched.paints);
  await close(...pages);
  return paints;
}

async function measure(browser, subjects) {
  const openings = [];
  for (const [network, conditions] of [
    ["this machine", null],
    ["fast 3G", FAST_3G],
  ]) {
    for (const size of ["empty", "100 KB"]) {
      const row = { network, size, times: { app: [], yjs: [] } };
      for (let count = 0; count < COUNTS.openings; count += 1) {
        for (const [name, subject] of Object.entries(subjects)) {
          row.times[name].push(await opening(browser, subject, LENGTHS[size], conditions));
        }
      }
      openings.push(row);
      say(`opened: ${network}, ${size}`);
    }
  }
  const keys = [];
  for (const [size, length] of Object.entries(LENGTHS)) {
    const row = { size, alone: length > SHARED_MOST, paints: { app: [], yjs: [] } };
    for (let round = 0; round < COUNTS.rounds; round += 1) {
      for (const [name, subject] of Object.entries(subjects)) {
        row.paints[name].push(...(await typing(browser, subject, length)));
      }
    }
    keys.push(row);
    say(`typed: ${size}`);
  }
  return { openings, keys };
}

async function version(name) {
  const manifest = path.join(LINK, "node_modules", name, "package.json");
  return JSON.parse(await readFile(manifest, "utf8")).version;
}

await mkdir(dist, { recursive: true });
const page = await serveYjs();
const ours = await launch(serverBinary, ["--host", "127.0.0.1", "--port", "0"], {
  NO_COLOR: "1",
  RUST_LOG: "info",
}, /listening on (http:\/\/\S+)/);
const port = String(await freePort());
const theirs = await launch(
  process.execPath,
  [path.join(LINK, "node_modules", "y-webrtc", "bin", "server.js")],
  { PORT: port },
  /running/i,
);
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: FLAGS,
});
try {
  let rooms = 0;
  const room = () => `room ${(rooms += 1)}`;
  const app = ours.found[1].replace(/\/$/, "");
  const subjects = {
    app: {
      link: () => `${app}/#${new URLSearchParams({ room: room(), key: "k".repeat(22) })}`,
    },
    yjs: {
      link: () => {
        const query = { room: room(), signaling: `ws://127.0.0.1:${port}` };
        return `${page.origin}/?${new URLSearchParams(query)}`;
      },
    },
  };
  say("measuring");
  const results = await measure(browser, subjects);
  const versions = {
    chromium: browser.version(),
    yjs: await version("yjs"),
    yWebrtc: await version("y-webrtc"),
    yCodemirror: await version("y-codemirror.next"),
  };
  await writeFile(path.join(dist, "app-results.json"), JSON.stringify(results));
  await writeFile(out, report({ ...results, versions, counts: COUNTS, gap: KEY_GAP_MS }));
  say(`written: ${out}`);
} finally {
  await browser.close();
  page.server.close();
  for (const { child } of [ours, theirs]) child.kill();
}
