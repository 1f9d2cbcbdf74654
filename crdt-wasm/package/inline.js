// The package with its WebAssembly inside: nothing is loaded.
import start, { initSync as startSync } from "./glue.js";
import { bytes } from "./bytes.js";
import { once } from "./once.js";

export * from "./glue.js";

/** Starts the module, once; given something, it takes that in place of what is inside. */
export default once((input) => start(input ?? { module_or_path: bytes() }));

/** The same without waiting. */
export function initSync(input) {
  return startSync(input ?? { module: bytes() });
}
