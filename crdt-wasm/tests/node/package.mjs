// Loads the package as Node has it: all of it, or the entry that the environment variable
// CRDT_WASM_ENTRY names.
import { fileURLToPath } from 'node:url';

const folder = new URL(`../../pkg/${process.env['CRDT_WASM_ENTRY'] ?? '.'}/`, import.meta.url);

/** The file that `require` loads. */
export const entry = fileURLToPath(new URL('crdt_wasm.cjs', folder));
export const crdt = await import(new URL('node.mjs', folder));

await crdt.default();

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
