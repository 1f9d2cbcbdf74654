// Storages of somebody's own that do not keep to the rules: damaged bytes, answers that do not come, calls that fail.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mock, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { crdt } from './package.mjs';
import { error, MemoryStorage, open, storage } from './storages.mjs';

const { Document } = crdt;

/** Lets what is under way go on, without the clock. */
const turns = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** Acts with a clock that goes on by `tick` alone. */
const withClock = (act) => async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    await act(async (millis) => {
      await turns();
      mock.timers.tick(millis);
      await turns();
    });
  } finally {
    mock.timers.reset();
  }
};

test('no bit of an update keeps a document from opening', async () => {
  const [writer, other] = [new Document({ name: 'writer' }), new Document({ name: 'other' })];
  writer.insert(0, 'a file that is whole. '.repeat(5));
  other.merge(writer.encodeSince());
  const file = writer.save();
  other.delete(4, 8);
  other.insert(0, 'an update');
  const update = other.encodeSince(writer.version());
  const opened = { whole: 0, damaged: 0, newer: 0 };
  for (let bit = 0; bit < update.length * 8; bit++) {
    const flipped = update.slice();
    flipped[bit >> 3] ^= 1 << (bit & 7);
    const kept = new MemoryStorage();
    const content = { birth: 1, generation: 1, file, last: 1, updates: [[1, [flipped]]] };
    kept.documents.set('garden', content);
    const stored = await open('garden', { storage: kept });
    const code = stored.status.problem?.code;
    if (code === 'storage_newer') opened.newer += 1;
    else opened[code === 'storage_damaged' ? 'damaged' : 'whole'] += 1;
    if (code === 'storage_damaged') assert.match(stored.document.getText(), /a file that is whole/);
    assert.ok(code === undefined || code === 'storage_damaged' || code === 'storage_newer', code);
    await stored.close().catch(() => {});
    stored.document.free();
  }
  assert.ok(opened.damaged > 100, JSON.stringify(opened));
});

test('what a storage gives out has to have the form', async () => {
  for (const loaded of [1, {}, { file: 'text', updates: [], mark: 1 }, { file: null, updates: [1], mark: 1 }, { file: null, updates: [], mark: null }]) {
    const kept = new MemoryStorage();
    kept.load = async () => loaded;
    const stored = await open('garden', { storage: kept });
    stored.document.insert(0, 'typed');
    assert.equal(stored.status.problem.code, 'storage_failed');
    assert.match(stored.status.problem.message, /load\(\) has to give/);
    assert.equal(stored.status.state, 'unsaved');
    await stored.close().catch(() => {});
  }
});

test(
  'a storage that does not answer keeps no document from opening, and is merged once it does',
  withClock(async (tick) => {
    const kept = new MemoryStorage();
    const before = await open('garden', { storage: kept });
    before.document.insert(0, 'stored ');
    await before.close();
    let answer;
    kept.pause = () => new Promise((resolve) => (answer = resolve));
    const opening = open('garden', { storage: kept });
    await tick(10_000);
    const stored = await opening;
    assert.equal(stored.status.problem.code, 'storage_timeout');
    stored.document.insert(0, 'typed ');
    assert.equal(stored.status.state, 'unsaved');
    // The same call is waited for, not another one.
    await tick(1_000);
    assert.equal(kept.calls.filter((call) => call === 'load').length, 2);
    kept.pause = async () => {};
    answer();
    await tick(1_000);
    await stored.flush();
    assert.equal(stored.status.state, 'saved');
    assert.equal(stored.status.problem, null);
    assert.deepEqual(stored.document.getText().split(' ').sort(), ['', 'stored', 'typed']);
    await stored.close();
  }),
);

test(
  'a write that is not answered is a problem, and `flush` ends with it',
  withClock(async (tick) => {
    const kept = new MemoryStorage();
    const stored = await open('garden', { storage: kept });
    let answer;
    kept.pause = () => new Promise((resolve) => (answer = resolve));
    stored.document.insert(0, 'typed');
    await tick(100);
    assert.equal(stored.status.state, 'saving');
    const flushed = assert.rejects(stored.flush(), { code: 'storage_timeout' });
    await tick(10_000);
    await flushed;
    assert.equal(stored.status.state, 'unsaved');
    assert.equal(stored.status.problem.code, 'storage_timeout');
    kept.pause = async () => {};
    answer();
    await tick(100);
    assert.deepEqual(stored.status, { ...stored.status, state: 'saved', problem: null });
    await stored.close();
  }),
);

test('what a storage throws when documents are listed or deleted has a code', async () => {
  const kept = new MemoryStorage();
  kept.list = kept.remove = async () => {
    throw Object.assign(new Error('read-only'), { code: 'EROFS' });
  };
  const failed = { name: 'CrdtError', code: 'storage_failed' };
  await assert.rejects(storage.listStored({ storage: kept }), failed);
  await assert.rejects(storage.removeStored('garden', { storage: kept }), failed);
  kept.remove = () => {
    throw error('storage_full');
  };
  await assert.rejects(storage.removeStored('garden', { storage: kept }), { code: 'storage_full' });
  const four = { load() {}, append() {}, replace() {}, remove() {} };
  await assert.rejects(storage.listStored({ storage: four }), { code: 'bad_argument' });
});

test('a program ends though a storage never answers it', async () => {
  const program = fileURLToPath(new URL('storage_silent.mjs', import.meta.url));
  const silent = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  silent.stdout.setEncoding('utf8').on('data', (text) => (said += text));
  const [code] = await once(silent, 'close');
  assert.equal(code, 0);
  assert.equal(said, 'storage_timeout\nends: true\n');
});
