// The package with its WebAssembly inside: nothing is loaded.
import start, { initSync as startSync } from "./glue.js";
import { bytes } from "./bytes.js";

export * from "./glue.js";

let loading;

/** Starts the module, once; given something, it takes that in place of what is inside. */
export default function init(input) {
  loading ??= start(input ?? { module_or_path: bytes() }).catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

/** The same without waiting. */
export function initSync(input) {
  return startSync(input ?? { module: bytes() });
}
