
/**
 * What the module is made of: the address of its file, a `Request` or a `Response` for it, its bytes, or a
 * `WebAssembly.Module`.
 */
export type InitInput = string | ArrayBuffer | ArrayBufferView | object;

/** The exports of the module; only its memory is of use. */
export interface InitOutput {
  readonly memory: { readonly buffer: ArrayBuffer };
}

/**
 * Loads the module. Before that, every function and class throws a `CrdtError` with the code `not_loaded`.
 * Called again, it returns the same. In Node, and with the entry `crdt-wasm/inline`, nothing is fetched.
 *
 * ```js
 * import init, { Document } from "crdt-wasm";
 *
 * await init();
 * ```
 *
 * @throws {CrdtError} `not_loaded`: why, and what to do
 */
export default function init(input?: {
  module_or_path: InitInput | Promise<InitInput>;
}): Promise<InitOutput>;

/**
 * Starts the module without waiting: from its bytes, or a `WebAssembly.Module`. In Node, and with the
 * entry `crdt-wasm/inline`, they may be left out. Browsers refuse large modules on their main thread.
 *
 * @throws {CrdtError} `not_loaded`, `bad_argument`
 */
export function initSync(input?: {
  module: ArrayBuffer | ArrayBufferView | object;
}): InitOutput;
