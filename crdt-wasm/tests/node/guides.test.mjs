// The guides: the code of each page is run as it stands, in a process of its own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';

const GUIDES = new URL('../../../docs/guides/', import.meta.url);
const ENTRY = new URL('../../pkg/node.mjs', import.meta.url).href;
const STORAGE = new URL('../../pkg/storage/', import.meta.url);
const ENTRIES = {
  'crdt-wasm': ENTRY,
  'crdt-wasm/storage': new URL('index.js', STORAGE).href,
  'crdt-wasm/storage/node': new URL('node.js', STORAGE).href,
};
const run = promisify(execFile);

const WITHOUT_CODE = ['README.md', 'from-yjs.md'];

for (const page of await readdir(GUIDES)) {
  if (WITHOUT_CODE.includes(page)) continue;
  test(`${page} says what it prints`, async () => {
    const text = await readFile(new URL(page, GUIDES), 'utf8');
    const code = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code).join('\n');
    assert.match(code, /await init\(\)/);
    const script = Object.entries(ENTRIES).reduce(
      (script, [entry, file]) => script.replaceAll(`"${entry}"`, JSON.stringify(file)),
      code,
    );
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script]);
    const lines = stdout.trimEnd().split('\n');
    // What is printed stands behind the call, as strings or as the console writes it.
    for (const [, comment] of code.matchAll(/console\.log\(.*\); \/\/ (.*)/g)) {
      const plain = (text) => text.replaceAll(/["']/g, '').replaceAll('[ ', '[').replaceAll(' ]', ']');
      const found = lines.some((line) => plain(line) === plain(comment));
      assert.ok(found, `${comment} is not among:\n${stdout}`);
    }
  });
}

test('the calls in the table for users of Yjs are there', async () => {
  const { Document, UndoManager, Version } = await import(ENTRY);
  const table = await readFile(new URL('from-yjs.md', GUIDES), 'utf8');
  const ours = [...table.matchAll(/^\|.*\| (.*) \|$/gm)].map(([, cell]) => cell).join('\n');
  const names = [...ours.matchAll(/\bdoc\.(\w+)/g)].map(([, name]) => name);
  assert.ok(names.length > 15);
  for (const name of names) assert.ok(name in Document.prototype, name);
  assert.ok('fromBytes' in Version && typeof UndoManager === 'function');
});
