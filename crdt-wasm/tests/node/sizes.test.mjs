// What has to be loaded, against what the READMEs say and what it may be at most.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { brotliCompressSync, constants } from 'node:zlib';

const PACKAGE = new URL('../../pkg/', import.meta.url);
const README = await readFile(new URL('../../README.md', import.meta.url), 'utf8');

/** The bytes of a file, compressed by brotli as servers do ahead of time. */
async function compressed(file) {
  const bytes = await readFile(new URL(file, PACKAGE));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
  return brotliCompressSync(bytes, { params }).length;
}

// The entry in the table of the README, its WebAssembly, and the most bytes that this may take.
const ENTRIES = [
  ['crdt-wasm', 'crdt_wasm_bg.wasm', 358_500],
  ['crdt-wasm/document', 'document/crdt_wasm_bg.wasm', 133_500],
];

for (const [entry, file, most] of ENTRIES) {
  test(`${entry} takes what the README says`, async () => {
    const row = README.split('\n').find((line) => line.startsWith(`| \`${entry}\` |`));
    const said = Number(/(\d+) KB \|$/.exec(row)?.[1]) * 1000;
    const size = await compressed(file);
    assert.ok(Math.abs(size - said) < said / 50, `${size} bytes, and the README says ${said}`);
    assert.ok(size <= most, `${size} bytes, more than ${most}`);
  });
}
