// One library's replay in Node: node in-node.js BUNDLE WASM-OR-EMPTY TRACE
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const { argv, stdout } = process;
const [bundle, wasm, trace] = argv.slice(2);
// The bundles are made for browsers, and one library's glue asks for what only CommonJS has when it
// sees that it is in Node.
globalThis.self = globalThis;
globalThis.process = undefined;

const { load, replay } = await import(pathToFileURL(bundle).href);
const bytes = wasm === "" ? undefined : await readFile(wasm);
const result = await replay(load, bytes, JSON.parse(await readFile(trace, "utf8")));
stdout.write(JSON.stringify(result));
