// The package for whatever bundler it is given to: the WebAssembly is fetched where it lies beside this
// file, and otherwise comes as a module, which bundlers load only then.
import start from "./glue.js";
import fetched from "./crdt_wasm.js";
import { once } from "./once.js";

export * from "./glue.js";

/** Loads the module, once; given something, it takes that in place of the file. */
export default once((input) => (input === undefined ? load() : start(input)));

async function load() {
  try {
    return await fetched();
  } catch (error) {
    let inlined;
    try {
      inlined = await import("./bytes.js");
    } catch {
      throw error;
    }
    return start({ module_or_path: inlined.bytes() });
  }
}
