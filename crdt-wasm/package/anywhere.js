// The package for whatever bundler it is given to: the WebAssembly is fetched where it lies beside this
// file, and otherwise comes as a module, which bundlers load only then.
import start from "./glue.js";
import fetched from "./crdt_wasm.js";

export * from "./glue.js";

let loading;

/** Loads the module, once; given something, it takes that in place of the file. */
export default function init(input) {
  loading ??= (input === undefined ? load() : start(input)).catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

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
