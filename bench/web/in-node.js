// One library's replay in Node: node in-node.js BUNDLE WASM-OR-EMPTY TRACE
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// Some glue looks for the global object by its name in browsers, and then for Node's randomness by
// what only CommonJS has.
globalThis.self = globalThis;
globalThis.module = { require: createRequire(import.meta.url) };

const [bundle, wasm, trace] = process.argv.slice(2);
const { load, replay } = await import(pathToFileURL(bundle).href);
const bytes = wasm === "" ? undefined : await readFile(wasm);
const result = await replay(load, bytes, JSON.parse(await readFile(trace, "utf8")));
process.stdout.write(JSON.stringify(result));
