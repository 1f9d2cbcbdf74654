// Loads the package as built for Node: all of it (`wasm-pack build --target nodejs --out-dir
// pkg-node`), or the entry that the environment variable CRDT_WASM_ENTRY names.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** The file that is loaded. */
export const entry = require.resolve(
  `../../pkg-node/${process.env['CRDT_WASM_ENTRY'] ?? ''}/crdt_wasm.js`,
);
export const crdt = require(entry);

/** The error that `action` throws; fails when it throws none, or something without a code. */
export function errorOf(action) {
  try {
    action();
  } catch (error) {
    if (!(error instanceof Error) || typeof error.code !== 'string') {
      throw new Error(`not a coded Error: ${error}`);
    }
    return error;
  }
  throw new Error('nothing was thrown');
}
