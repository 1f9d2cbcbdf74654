// One library's replay in Node: node in-node.js BUNDLE WASM-OR-EMPTY TRACE
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

// Some glue looks for the global object by its name in browsers.
globalThis.self = globalThis;

const [bundle, wasm, trace] = process.argv.slice(2);
const { load, replay } = await import(pathToFileURL(bundle).href);
const bytes = wasm === "" ? undefined : await readFile(wasm);
const result = await replay(load, bytes, JSON.parse(await readFile(trace, "utf8")));
process.stdout.write(JSON.stringify(result));
