// The package where its WebAssembly is a file beside this one: pages without a bundler, and bundlers that
// know `new URL(…, import.meta.url)`.
import start from "./glue.js";
import { once } from "./once.js";

export * from "./glue.js";

/** Loads the module, once; given something, it takes that in place of the file. */
export default once((input) => (input === undefined ? load() : start(input)));

async function load() {
  const url = new URL("crdt_wasm_bg.wasm", import.meta.url);
  let reason;
  try {
    const response = await fetch(url);
    const bytes = response.ok && isTyped(response) ? null : await response.arrayBuffer();
    if (bytes === null || isWasm(bytes)) {
      return await start({ module_or_path: bytes ?? response });
    }
    reason = `the server answered with status ${response.status} and something else`;
  } catch (error) {
    reason = error.message;
  }
  const error = new Error(
    `The WebAssembly of crdt-wasm cannot be loaded from ${url}: ${reason}. ` +
      "It is the file crdt_wasm_bg.wasm of the package. Have your bundler or server put it there, give " +
      "init() its address ({ module_or_path: address }), or import crdt-wasm/inline, which has it inside. " +
      "A Content-Security-Policy has to allow 'wasm-unsafe-eval' among the script-src.",
  );
  throw Object.assign(error, { name: "CrdtError", code: "not_loaded" });
}

function isTyped(response) {
  return response.headers.get("Content-Type")?.startsWith("application/wasm") === true;
}

function isWasm(bytes) {
  const start = new Uint8Array(bytes, 0, Math.min(4, bytes.byteLength));
  return String.fromCharCode(...start) === "\0asm";
}
