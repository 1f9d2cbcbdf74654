// The guides: the code of each page is run as it stands, in a process of its own, in a folder that has nothing but the
// package as registries get it. What is TypeScript is checked by `tests/fixtures/run.mjs`.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const GUIDES = new URL('../../../docs/guides/', import.meta.url);
const PACKAGE = fileURLToPath(new URL('../../pkg/', import.meta.url));
const WORKERS = new URL('web_worker.mjs', import.meta.url).href;
const run = promisify(execFile);

const folder = await mkdtemp(path.join(tmpdir(), 'crdt-guides-'));
after(() => rm(folder, { recursive: true }));
const installed = path.join(folder, 'node_modules/crdt-wasm');
await mkdir(installed, { recursive: true });
await writeFile(path.join(folder, 'package.json'), '{ "private": true, "type": "module" }');
await run('npm', ['pack', '--pack-destination', folder], { cwd: PACKAGE });
const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
await run('tar', ['--extract', '--file', tarball, '--strip-components=1', '--directory', installed], { cwd: folder });

const WITHOUT_CODE = ['README.md', 'from-yjs.md'];

for (const page of await readdir(GUIDES)) {
  if (WITHOUT_CODE.includes(page)) continue;
  test(`${page} says what it prints`, async () => {
    const text = await readFile(new URL(page, GUIDES), 'utf8');
    const code = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code).join('\n');
    assert.match(code, /await init\(\)/);
    // Files that the page names.
    for (const [, name, content] of text.matchAll(/```js (\S+)\n(.*?)```/gs)) {
      await writeFile(path.join(folder, name), content);
    }
    const script = path.join(folder, page.replace('.md', '.mjs'));
    await writeFile(script, code);
    const { stdout, stderr } = await run(process.execPath, ['--import', WORKERS, script], { cwd: folder });
    assert.equal(stderr, '');
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
  const { Document, UndoManager, Version } = await import(path.join(installed, 'node.mjs'));
  const table = await readFile(new URL('from-yjs.md', GUIDES), 'utf8');
  const ours = [...table.matchAll(/^\|.*\| (.*) \|$/gm)].map(([, cell]) => cell).join('\n');
  const names = [...ours.matchAll(/\bdoc\.(\w+)/g)].map(([, name]) => name);
  assert.ok(names.length > 15);
  for (const name of names) assert.ok(name in Document.prototype, name);
  assert.ok('fromBytes' in Version && typeof UndoManager === 'function');
});

test('the guide to errors names every code', async () => {
  const types = await readFile(new URL('../../src/types.d.ts', import.meta.url), 'utf8');
  const [, union] = /export type CrdtErrorCode =(.*?);/s.exec(types);
  const codes = [...union.matchAll(/"(\w+)"/g)].map(([, code]) => code);
  const page = await readFile(new URL('errors.md', GUIDES), 'utf8');
  assert.ok(codes.length > 60);
  assert.deepEqual(codes.filter((code) => !page.includes(`\`${code}\``)), []);
});
