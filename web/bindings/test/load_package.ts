// The package as browsers get it: here its WebAssembly is read from the disk.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { initSync } from "crdt-wasm";

const file = createRequire(import.meta.url).resolve("crdt-wasm/crdt_wasm_bg.wasm");
initSync({ module: readFileSync(file) });

// Browsers have it; the DOM of these tests has not. What is reported is part of the test's output.
globalThis.reportError ??= (error: unknown) => console.error("reported:", error);
