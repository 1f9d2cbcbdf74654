// The WebAssembly rows: what has to be loaded, and local editing through the JavaScript APIs, in
// Node and in Chromium. Each library runs in a process or a page of its own.
//
// node bench.js TRACES OUT CRDT-WASM writes OUT/web.json.
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { promisify } from "node:util";
import { brotliCompressSync, constants, gunzipSync } from "node:zlib";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const HERE = import.meta.dirname;
const TRACE = "automerge-paper";
const PROCESS_MS = 40_000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];

const [traces, out, crdtWasm] = process.argv.slice(2).map((argument) => path.resolve(argument));
const modules = path.join(HERE, "node_modules");
const dist = path.join(HERE, "dist");

const SUBJECTS = [
  // The entry crdt-wasm/document, a document alone, as the peers are; and all of the package.
  ours("ours", "document/"),
  ours("ours, with the network", ""),
  subject("diamond-types-web", "dt_bg.wasm"),
  subject("yjs", null),
  subject("ywasm", "ywasm_bg.wasm"),
  subject("loro-crdt", "web/loro_wasm_bg.wasm"),
  subject("@automerge/automerge", "dist/automerge.wasm", "automerge"),
];

function subject(name, wasm, file = name) {
  return { name, file, folder: path.join(modules, name), wasm };
}

function ours(name, entry) {
  return {
    name,
    file: name.replaceAll(/\W+/g, "-"),
    replays: "ours",
    folder: crdtWasm,
    module: path.join(crdtWasm, `${entry}glue.js`),
    wasm: `${entry}crdt_wasm_bg.wasm`,
  };
}

function say(text) {
  const seconds = Math.floor(performance.now() / 1000);
  console.log(`[${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}] ${text}`);
}

/** A package for Node reads its WebAssembly with these; in the bundle they give it the bytes. */
const forNode = {
  name: "node's modules",
  setup(bundle) {
    const sources = {
      fs: "export const readFileSync = () => globalThis.ywasmBytes;",
      path: "export const join = (...parts) => parts.join('/');",
      util: "const { TextDecoder, TextEncoder } = globalThis; export { TextDecoder, TextEncoder };",
    };
    bundle.onResolve({ filter: /^(fs|path|util)$/ }, ({ path }) => ({ path, namespace: "node" }));
    bundle.onLoad({ filter: /.*/, namespace: "node" }, ({ path }) => ({ contents: sources[path] }));
  },
};

/** Bundles a library with its replay; returns the path. */
async function bundled({ file, replays = file, module }) {
  const outfile = path.join(dist, `${file}.js`);
  await build({
    stdin: {
      contents: `export { load } from "./subjects/${replays}.js"; export { replay } from "./replay.js";`,
      resolveDir: HERE,
    },
    outfile,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    alias: module ? { "crdt-wasm": module } : {},
    define: { __dirname: '""' },
    plugins: [forNode],
    logLevel: "error",
  });
  return outfile;
}

const brotli = (bytes) =>
  brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;

async function inNode(bundle, wasm, trace) {
  const run = promisify(execFile);
  try {
    const { stdout } = await run(
      process.execPath,
      [path.join(HERE, "in-node.js"), bundle, wasm ?? "", trace],
      { timeout: PROCESS_MS },
    );
    return JSON.parse(stdout);
  } catch (error) {
    return error.killed ? { cut_off: PROCESS_MS / 1000 } : { failed: firstLine(error) };
  }
}

async function inChromium(browser, origin, bundle, wasm) {
  const page = await browser.newPage();
  try {
    await page.goto(`${origin}/`);
    const run = page.evaluate(
      async ([bundle, wasm]) => {
        const { load, replay } = await import(bundle);
        const bytes = wasm && new Uint8Array(await (await fetch(wasm)).arrayBuffer());
        return replay(load, bytes, await (await fetch("/trace.json")).json());
      },
      [`/${path.basename(bundle)}`, wasm && `/wasm/${path.basename(bundle, ".js")}`],
    );
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, PROCESS_MS, { cut_off: PROCESS_MS / 1000 });
    });
    // When the page is closed the evaluation fails, with nobody to hear of it.
    run.catch(() => {});
    const result = await Promise.race([run, late]);
    clearTimeout(timer);
    return result;
  } catch (error) {
    return { failed: firstLine(error) };
  } finally {
    await page.close();
  }
}

function firstLine(error) {
  return String(error?.message ?? error).split("\n")[0];
}

/** Serves a page without content, the bundles, the WebAssembly and the trace. */
async function serve(files) {
  const server = createServer(async (request, response) => {
    const file = files.get(request.url);
    if (request.url === "/") {
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><title>bench</title>");
    } else if (file === undefined) {
      response.statusCode = 404;
      response.end();
    } else {
      response.setHeader("content-type", file.type);
      response.end(await readFile(file.path));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

await mkdir(dist, { recursive: true });
await mkdir(out, { recursive: true });
const json = JSON.parse(gunzipSync(await readFile(path.join(traces, `${TRACE}.json.gz`))));
const trace = path.join(dist, "trace.json");
const patches = json.txns.flatMap((txn) => txn.patches);
await writeFile(trace, JSON.stringify({ patches, text: json.endContent }));

const files = new Map([["/trace.json", { path: trace, type: "application/json" }]]);
const { server, origin } = await serve(files);
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: FLAGS,
});
const results = [];
try {
  for (const subject of SUBJECTS) {
    const { name, file, folder } = subject;
    const wasm = subject.wasm && path.join(folder, subject.wasm);
    const bundle = await bundled(subject);
    files.set(`/${file}.js`, { path: bundle, type: "text/javascript" });
    if (wasm) files.set(`/wasm/${file}`, { path: wasm, type: "application/wasm" });
    const { version } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    const replay = {
      Node: await inNode(bundle, wasm, trace),
      Chromium: await inChromium(browser, origin, bundle, wasm),
    };
    const result = {
      name,
      version,
      wasm_brotli: wasm && brotli(await readFile(wasm)),
      js_brotli: brotli(await readFile(bundle)),
      replay,
    };
    results.push(result);
    say(`${name} ${version}: ${JSON.stringify(result)}`);
  }
  const engines = { Node: process.versions.node, Chromium: browser.version() };
  const all = { trace: TRACE, engines, subjects: results };
  await writeFile(path.join(out, "web.json"), `${JSON.stringify(all, null, 2)}\n`);
} finally {
  await browser.close();
  server.close();
}
