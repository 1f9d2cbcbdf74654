// A stored text, opened in Chromium, once from crdt-wasm/storage and once from y-indexeddb, in turns.
//
// node bench.js TRACES CRDT-WASM BINDINGS OUT writes OUT, a page in Markdown.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { oneCodeMirror, say } from "../shared.js";
import { report } from "./report.js";
import { serve } from "./serve.js";

const HERE = import.meta.dirname;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const SUBJECTS = ["ours", "network", "yjs"];
/** Its edits are made again and again, until the text is long enough. */
const TRACE = "automerge-paper";
const CHARACTERS = process.env["QUICK"] ? 200_000 : 1_000_000;
const OPENINGS = process.env["QUICK"] ? 3 : 25;
/** A browser that has just started is busy with itself. */
const REST_MS = process.env["QUICK"] ? 500 : 3000;
/** After a session of writing, both libraries tidy what they stored. */
const TIDY_MS = 20_000;

const [traces, crdtWasm, bindings, out] = process.argv
  .slice(2)
  .map((argument) => path.resolve(argument));
const dist = path.join(HERE, "dist");

const rest = (milliseconds = REST_MS) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The folder of crdt-wasm's entry that a subject uses. */
const entryOf = (name) => (name === "ours" ? path.join(crdtWasm, "document") : crdtWasm);
const wasmOf = (name) => `/${name}/crdt_wasm_bg.wasm`;

async function bundle(name) {
  const isOurs = name !== "yjs";
  await build({
    entryPoints: [path.join(HERE, "page.js")],
    outfile: path.join(dist, `${name}.js`),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    define: { WASM: JSON.stringify(wasmOf(name)) },
    alias: {
      subject: path.join(HERE, "subjects", isOurs ? "ours.js" : "yjs.js"),
      bindings: path.join(bindings, "src"),
      "crdt-wasm": path.join(entryOf(name), "glue.js"),
      "crdt-wasm-storage": path.join(crdtWasm, "storage/index.js"),
    },
    // One copy of CodeMirror, the one that the bindings find too.
    nodePaths: [path.join(HERE, "node_modules")],
    plugins: [oneCodeMirror(HERE)],
    logLevel: "error",
  });
}

/** The edits of a history, as `[position, deleted, inserted]`. */
async function history(name) {
  const trace = JSON.parse(gunzipSync(await readFile(path.join(traces, `${name}.json.gz`))));
  const patches = trace.txns.flatMap((txn) => txn.patches);
  const events = patches.reduce((sum, [, deleted, text]) => sum + deleted + text.length, 0);
  return { patches, events, length: trace.endContent.length };
}

/** A browser with a profile of its own, which it finds again. */
function launch(profile) {
  return chromium.launchPersistentContext(profile, {
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: FLAGS,
  });
}

/** Has a text written and stored, and the page kept. */
async function prepare(profile, origin, name, texts) {
  const browser = await launch(profile);
  const page = await browser.newPage();
  page.on("pageerror", (error) => say(`${name}: ${error}`));
  await page.goto(`${origin}/${name}`);
  await page.evaluate(async () => {
    await navigator.serviceWorker.register("/worker.js");
    await navigator.serviceWorker.ready;
  });
  const written = {};
  for (const { title, patches, times } of texts) {
    written[title] = await page.evaluate(
      ([title, patches, times]) => bench.write(title, patches, times),
      [title, patches, times],
    );
  }
  await rest(TIDY_MS);
  const version = browser.browser()?.version() ?? (await page.evaluate(() => navigator.userAgent));
  await browser.close();
  return { written, version };
}

/** Opens a stored text in a browser that has just been started, without a network. */
async function opening(profile, origin, name, title) {
  const browser = await launch(profile);
  await browser.setOffline(true);
  const page = await browser.newPage();
  await rest();
  await page.goto(`${origin}/${name}?text=${title}`);
  const opened = await page.evaluate(() => bench.opened);
  if (!opened.isShown) throw new Error(`${name}: the editor shows nothing of ${title}`);
  await browser.close();
  return opened;
}

async function version(name) {
  const file = path.join(HERE, "node_modules", name, "package.json");
  return JSON.parse(await readFile(file, "utf8")).version;
}

await mkdir(dist, { recursive: true });
say("bundling");
for (const name of SUBJECTS) await bundle(name);
const { patches, events, length } = await history(TRACE);
const times = Math.ceil(CHARACTERS / length);
const letters = Array.from({ length: CHARACTERS }, (_, at) => patches[at % patches.length][2] || " ");
const pasted = letters.join("").slice(0, CHARACTERS);
const texts = [
  { title: "written", patches, times },
  { title: "pasted", patches: [[0, 0, pasted]], times: 1 },
];
const { server, origin } = await serve(SUBJECTS, {
  "/worker.js": path.join(HERE, "worker.js"),
  ...Object.fromEntries(
    SUBJECTS.flatMap((name) => [
      [`/dist/${name}.js`, path.join(dist, `${name}.js`)],
      [wasmOf(name), path.join(entryOf(name), "crdt_wasm_bg.wasm")],
    ]),
  ),
});
const profiles = await mkdtemp(path.join(tmpdir(), "bench-storage-"));
try {
  const wanted = {};
  let chromiumVersion;
  for (const name of SUBJECTS) {
    const { written, version } = await prepare(path.join(profiles, name), origin, name, texts);
    chromiumVersion = version;
    for (const { title } of texts) {
      wanted[title] ??= written[title];
      if (written[title] !== wanted[title]) throw new Error(`${name}: ${title} came out wrong`);
    }
    say(`written with ${name}`);
  }
  server.closeAllConnections();
  server.close();

  const results = Object.fromEntries(
    texts.map(({ title }) => [title, Object.fromEntries(SUBJECTS.map((name) => [name, []]))]),
  );
  // In turns, so that what else the machine does meets all. The first opening of each is not counted: after it
  // the browser has compiled what it keeps compiled.
  for (let count = 0; count <= OPENINGS; count += 1) {
    for (const { title } of texts) {
      for (const name of SUBJECTS) {
        const { times, text } = await opening(path.join(profiles, name), origin, name, title);
        if (text !== wanted[title]) throw new Error(`${name}: ${title} was not there again`);
        if (count > 0) results[title][name].push(times);
      }
    }
    say(`opened, ${count} of ${OPENINGS}`);
  }
  await writeFile(path.join(dist, "results.json"), JSON.stringify(results));
  const versions = {
    chromium: chromiumVersion,
    yjs: await version("yjs"),
    yIndexeddb: await version("y-indexeddb"),
  };
  const facts = { events: events * times, length: wanted.written.length, openings: OPENINGS, trace: TRACE };
  await writeFile(out, report({ results, versions, facts }));
  say(`written: ${out}`);
} finally {
  server.close();
  await rm(profiles, { recursive: true, force: true });
}
