// Loads the package as built for Node (`wasm-pack build --target nodejs --out-dir pkg-node`).
import { createRequire } from 'node:module';

export const crdt = createRequire(import.meta.url)('../../pkg-node/crdt_wasm.js');

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
