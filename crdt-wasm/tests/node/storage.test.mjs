// Stored documents, over a storage in memory that can fail.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt } from './package.mjs';
import { error, MemoryStorage, open, randomFrom, storage, textIn, until, fileStorage } from './storages.mjs';

const { Document, NetworkSync } = crdt;

test('what is edited is stored by itself, and opens again', async () => {
  const kept = new MemoryStorage();
  const first = await open('garden', { storage: kept, agent: { name: 'Ada' } });
  assert.equal(first.status.state, 'saved');
  const statuses = [];
  first.on('status', ({ state }) => statuses.push(state));
  first.document.insert(0, 'Hello');
  assert.equal(first.status.state, 'saving');
  await until(() => first.status.state === 'saved');
  first.document.insert(5, ', garden');
  await first.close();
  assert.deepEqual(statuses.slice(0, 2), ['saving', 'saved']);
  assert.equal(first.document.getText(), 'Hello, garden');

  const second = await open('garden', { storage: kept });
  assert.equal(second.document.getText(), 'Hello, garden');
  assert.notEqual(second.document.agentId, first.document.agentId);
  assert.equal([...second.document.history()][0].name, 'Ada');
  assert.equal(second.status.state, 'saved');
  await second.close();
  assert.deepEqual(await storage.listStored({ storage: kept }), [{ name: 'garden', bytes: 0, changed: 0 }]);
  await storage.removeStored('garden', { storage: kept });
  assert.equal(await textIn(kept, 'garden'), '');
});

test('the class may come while the storage is read, or fail', async () => {
  const kept = new MemoryStorage();
  const first = await open('garden', { storage: kept });
  first.document.insert(0, 'stored');
  await first.close();
  let loaded;
  kept.calls.length = 0;
  const opening = open('garden', { storage: kept, Document: new Promise((resolve) => (loaded = resolve)) });
  await until(() => kept.calls.includes('load'));
  loaded(Document);
  const stored = await opening;
  assert.equal(stored.document.getText(), 'stored');
  await stored.close();
  const failing = open('garden', { storage: kept, Document: Promise.reject(error('no_class')) });
  await assert.rejects(failing, { code: 'no_class' });
});

test('a document of one\'s own takes in what is stored, and is stored', async () => {
  const kept = new MemoryStorage();
  const first = await open('garden', { storage: kept });
  first.document.insert(0, 'stored ');
  await first.close();
  const own = new Document();
  own.insert(0, 'own ');
  const stored = await open('garden', { storage: kept, document: own });
  assert.equal(stored.document, own);
  assert.match(own.getText(), /stored /);
  assert.match(own.getText(), /own /);
  await stored.close();
  assert.equal(await textIn(kept, 'garden'), own.getText());
});

test('the status of the network says whether the document is saved', async () => {
  const kept = new MemoryStorage();
  const document = new Document();
  const sync = new NetworkSync(document.handle, document.agentId);
  assert.equal(sync.getStatus().saved, null);
  const stored = await open('garden', { storage: kept, document });
  assert.equal(sync.getStatus().saved, 'saved');
  kept.fault = error('storage_full');
  document.insert(0, 'Hello');
  assert.equal(sync.getStatus().saved, 'saving');
  await until(() => sync.getStatus().saved === 'unsaved');
  kept.fault = null;
  await until(() => sync.getStatus().saved === 'saved');
  await stored.close();
  assert.equal(sync.getStatus().saved, null);
  sync.destroy();
});

test('an initial text is there once, and is stored', async () => {
  const [here, there] = [new MemoryStorage(), new MemoryStorage()];
  const agent = { initialText: '# Notes\n' };
  const a = await open('garden', { storage: here, agent });
  const b = await open('garden', { storage: there, agent });
  a.document.insert(8, 'by a\n');
  a.document.merge(b.document.encodeSince());
  assert.equal(a.document.getText(), '# Notes\nby a\n');
  await Promise.all([a.close(), b.close()]);
  assert.equal(await textIn(there, 'garden'), '# Notes\n');
  const again = await open('garden', { storage: here, agent: { initialText: 'other' } });
  assert.equal(again.document.getText(), '# Notes\nby a\n');
  await again.close();
});

test('what a merge brings is stored too', async () => {
  const kept = new MemoryStorage();
  const stored = await open('garden', { storage: kept });
  const other = new Document();
  other.insert(0, 'from afar');
  stored.document.merge(other.encodeSince());
  await stored.flush();
  assert.equal(await textIn(kept, 'garden'), 'from afar');
  await stored.close();
});

test('those who have it open stay equal, and each update is stored once', async () => {
  const kept = new MemoryStorage();
  const [a, b] = [await open('garden', { storage: kept }), await open('garden', { storage: kept })];
  const changes = [];
  b.on('change', (some) => changes.push(...some));
  a.document.insert(0, 'from a');
  await until(() => b.document.getText() === 'from a');
  assert.deepEqual(changes, [{ position: 0, deleted: 0, inserted: 'from a' }]);
  b.document.insert(6, ', from b');
  await until(() => a.document.getText() === 'from a, from b');
  await Promise.all([a.close(), b.close()]);
  assert.equal(kept.calls.filter((call) => call === 'append').length, 2);
});

test('a file takes the place of many updates', async () => {
  const kept = new MemoryStorage();
  const stored = await open('garden', { storage: kept });
  for (let i = 0; i < 500; i += 1) {
    stored.document.insert(stored.document.length, `${i} `);
    await stored.flush();
  }
  const { documents } = kept;
  await until(() => documents.get('garden').file !== null);
  assert.ok(documents.get('garden').updates.length < 400);
  await stored.close();
  assert.equal(await textIn(kept, 'garden'), stored.document.getText());
});

test('a large update becomes a file at once', async () => {
  const kept = new MemoryStorage();
  const stored = await open('garden', { storage: kept });
  stored.document.insert(0, 'x'.repeat(200_000));
  await until(() => kept.documents.get('garden')?.file !== null && stored.status.state === 'saved');
  await stored.close();
  assert.equal((await textIn(kept, 'garden')).length, 200_000);
});

test('a full storage is said, and tried again', async () => {
  const kept = new MemoryStorage();
  const stored = await open('garden', { storage: kept });
  kept.fault = Object.assign(new Error('no space'), { name: 'QuotaExceededError' });
  stored.document.insert(0, 'unsaved');
  await until(() => stored.status.state === 'unsaved');
  assert.equal(stored.status.problem.code, 'storage_full');
  assert.match(stored.status.problem.message, /no space left/);
  await assert.rejects(stored.flush(), { code: 'storage_full', name: 'CrdtError' });
  stored.document.insert(7, ' as yet');
  assert.equal(stored.document.getText(), 'unsaved as yet');
  kept.fault = null;
  await until(() => stored.status.state === 'saved');
  assert.equal(stored.status.problem, null);
  assert.equal(await textIn(kept, 'garden'), 'unsaved as yet');
  await stored.close();
});

test('a storage that is away at first is come back to', async () => {
  const kept = new MemoryStorage();
  const before = await open('garden', { storage: kept });
  before.document.insert(0, 'stored ');
  await before.close();
  kept.fault = error('storage_blocked');
  const stored = await open('garden', { storage: kept });
  assert.equal(stored.document.getText(), '');
  assert.equal(stored.status.problem.code, 'storage_blocked');
  assert.equal(stored.status.state, 'saved', 'nothing is lost yet');
  stored.document.insert(0, 'typed ');
  assert.equal(stored.status.state, 'unsaved');
  kept.fault = null;
  await until(() => stored.status.state === 'saved');
  assert.match(stored.document.getText(), /stored /);
  assert.match(stored.document.getText(), /typed /);
  assert.equal(await textIn(kept, 'garden'), stored.document.getText());
  await stored.close();
});

test('where nothing can be stored, the document goes on in memory', async () => {
  const kept = new MemoryStorage();
  kept.fault = Object.assign(new Error('denied'), { name: 'SecurityError' });
  const stored = await open('garden', { storage: kept });
  assert.equal(stored.status.problem.code, 'storage_unavailable');
  stored.document.insert(0, 'only here');
  assert.equal(stored.status.state, 'unsaved');
  await assert.rejects(stored.close(), { code: 'storage_unavailable' });
  assert.equal(stored.document.getText(), 'only here');
  await stored.close();
  await assert.rejects(stored.flush(), { code: 'destroyed' });
});

test('Node has no IndexedDB, which is said', async () => {
  const stored = await open('garden');
  assert.equal(stored.status.problem.code, 'storage_unavailable');
  assert.match(stored.status.problem.message, /fileStorage/);
  await stored.close();
  await assert.rejects(storage.listStored(), { code: 'storage_unavailable' });
  for (const options of [{ document: {} }, { Document: 5 }, { storage: null, nothing: 1 }, 5]) {
    await assert.rejects(storage.openStored('garden', options), { code: 'bad_argument' });
  }
  await assert.rejects(storage.listStored(5), { code: 'bad_argument' });
  for (const folder of [undefined, '', 5]) assert.throws(() => fileStorage(folder), { code: 'bad_argument' });
});

test('the class of the package\'s main entry is the default', async () => {
  const kept = new MemoryStorage();
  const stored = await storage.openStored('garden', { storage: kept });
  assert.equal(typeof stored.document.getText(), 'string');
  await stored.close();
});

/** A storage that has a file and an update beside it. */
async function written() {
  const kept = new MemoryStorage();
  const stored = await open('garden', { storage: kept });
  stored.document.insert(0, 'in the file');
  await stored.compact();
  stored.document.insert(0, 'beside ');
  await stored.close();
  return { kept, document: kept.documents.get('garden') };
}

test('what a newer version wrote is left alone', async () => {
  for (const part of ['file', 'update']) {
    const { kept, document } = await written();
    if (part === 'file') document.file = document.file.with(4, 99);
    else document.updates[0][1][0] = document.updates[0][1][0].with(4, 99);
    const before = structuredClone(document);
    const stored = await open('garden', { storage: kept });
    if (stored.status.problem.code !== 'storage_newer') continue;
    stored.document.insert(0, 'typed');
    await assert.rejects(stored.close(), { code: 'storage_newer' });
    assert.deepEqual(structuredClone(document), before);
    if (part === 'file') return;
  }
  assert.fail('the version of a file is checked');
});

test('damaged parts are passed over, said, and kept', async () => {
  const { kept, document } = await written();
  const whole = document.file;
  document.file = whole.with(whole.length - 3, whole.at(-3) ^ 0x40);
  const damaged = document.file;
  const stored = await open('garden', { storage: kept });
  assert.equal(stored.status.problem.code, 'storage_damaged');
  assert.equal(stored.status.state, 'saved');
  stored.document.insert(0, 'new ');
  await stored.flush();
  assert.equal(stored.status.state, 'saved');
  assert.equal(document.file, damaged, 'it is not replaced by itself');
  // The network, say, brings what was in the damaged file.
  const other = Document.open(whole);
  stored.document.merge(other.encodeSince());
  await stored.compact();
  assert.equal(stored.status.problem, null);
  await stored.close();
  assert.equal(await textIn(kept, 'garden'), stored.document.getText());
  assert.match(stored.document.getText(), /in the file/);
  assert.match(stored.document.getText(), /beside/);
});

test('what is typed beside a damaged file is there when it is opened again', async () => {
  const { kept, document } = await written();
  document.file = document.file.with(document.file.length - 3, document.file.at(-3) ^ 0x40);
  document.updates = [];
  const stored = await open('garden', { storage: kept });
  stored.document.insert(0, 'my new text');
  await stored.close();
  assert.equal(await textIn(kept, 'garden'), 'my new text');
});

test('updates whose beginning is missing or damaged are said, and never replaced by a file', async () => {
  for (const spoil of [(updates) => updates.shift(), (updates) => (updates[0][1][0] = updates[0][1][0].slice(0, -1))]) {
    const kept = new MemoryStorage();
    const first = await open('garden', { storage: kept });
    for (let at = 0; at < 5; at += 1) {
      first.document.insert(at, String(at));
      await first.flush();
    }
    await first.close();
    const document = kept.documents.get('garden');
    const whole = structuredClone(document.updates);
    spoil(document.updates);
    const { length } = document.updates;
    const stored = await open('garden', { storage: kept });
    assert.equal(stored.status.problem?.code, 'storage_damaged');
    stored.document.insert(0, 'new ');
    await stored.flush();
    assert.equal(stored.status.problem?.code, 'storage_damaged');
    assert.equal(document.updates.length, length + 1, 'they are not replaced');
    await stored.close();
    // Nothing of what can still be read is lost.
    document.updates = [...whole, document.updates.at(-1)];
    const text = await textIn(kept, 'garden');
    assert.ok(text.includes('01234') && text.includes('new '), text);
  }
});

test('a document that is removed while it is open says so, and stays in memory', async () => {
  const kept = new MemoryStorage();
  const stored = await open('garden', { storage: kept });
  stored.document.insert(0, 'kept here');
  await stored.flush();
  await storage.removeStored('garden', { storage: kept });
  await until(() => stored.status.problem?.code === 'storage_removed');
  assert.equal(stored.status.state, 'unsaved');
  assert.equal(kept.documents.size, 0);
  assert.equal(stored.document.getText(), 'kept here');
});

test('a storage that the browser emptied gets all of it again', async () => {
  const kept = new MemoryStorage();
  const [a, b] = [await open('garden', { storage: kept }), await open('garden', { storage: kept })];
  a.document.insert(0, 'from before, ');
  await until(() => b.document.length > 0);
  kept.documents.clear();
  a.document.insert(a.document.length, 'by a, ');
  b.document.insert(b.document.length, 'by b, ');
  await Promise.all([a.flush(), b.flush()]);
  await until(() => a.document.getText() === b.document.getText());
  assert.equal(await textIn(kept, 'garden'), a.document.getText());
  await Promise.all([a.close(), b.close()]);
});

test('what another one stored first is stored again where the storage was emptied', async () => {
  const kept = new MemoryStorage();
  const there = kept.program();
  const [a, b] = [await open('garden', { storage: there.storage }), await open('garden', { storage: kept })];
  a.document.insert(0, 'by a, ');
  await a.flush();
  await until(() => b.document.length > 0);
  there.kill();
  kept.documents.clear();
  b.document.insert(b.document.length, 'by b');
  await b.flush();
  assert.equal(await textIn(kept, 'garden'), 'by a, by b');
  await b.close();
});

test('what was edited before a document is freed is stored, and disturbs nobody', async () => {
  for (const how of ['free', Symbol.dispose].filter((name) => name !== undefined)) {
    const kept = new MemoryStorage();
    const [a, b] = [await open('garden', { storage: kept }), await open('garden', { storage: kept })];
    a.document.insert(0, 'stored');
    await a.flush();
    await until(() => b.document.length > 0);
    a.document.insert(0, 'also ');
    a.document[how]();
    assert.equal(a.status.state, 'saving');
    b.document.insert(0, 'heard by nobody ');
    await b.flush();
    await a.flush();
    assert.equal(a.status.state, 'saved');
    await a.close();
    await b.close();
    assert.match(await textIn(kept, 'garden'), /also /);
    assert.match(await textIn(kept, 'garden'), /heard by nobody /);
  }
});

test('a freed document is stored where the storage failed or was not read, or the error says why not', async () => {
  const kept = new MemoryStorage();
  kept.fault = error('storage_failed');
  const unread = await open('garden', { storage: kept });
  unread.document.insert(0, 'unread ');
  unread.document.free();
  unread.document.free();
  await assert.rejects(unread.flush(), { code: 'storage_failed' });
  assert.equal(unread.status.state, 'unsaved');
  kept.fault = null;
  await unread.close();
  assert.equal(unread.status.state, 'saved');
  const failing = await open('garden', { storage: kept });
  failing.document.insert(0, 'failing ');
  kept.fault = error('storage_full');
  await assert.rejects(failing.flush(), { code: 'storage_full' });
  failing.document.free();
  kept.fault = null;
  await failing.close();
  assert.equal(await textIn(kept, 'garden'), 'failing unread ');
  // By its handle, it is gone before anything can be collected.
  const lost = await open('garden', { storage: kept });
  lost.document.insert(0, 'lost ');
  crdt.free_document(lost.document.handle);
  const freed = { code: 'storage_failed', message: /freed/ };
  await assert.rejects(lost.flush(), freed);
  assert.equal(lost.status.state, 'unsaved');
  await assert.rejects(lost.close(), freed);
  assert.equal(lost.status.state, 'unsaved');
  // Its last edits build on what was deleted.
  const gone = await open('garden', { storage: kept });
  kept.documents.clear();
  gone.document.insert(0, 'gone ');
  gone.document.free();
  await assert.rejects(gone.flush(), { code: 'storage_removed', message: /freed/ });
  await assert.rejects(gone.close(), { code: 'storage_removed' });
  assert.equal(gone.status.state, 'unsaved');
  assert.equal(kept.documents.size, 0);
});

test('mistakes in the call are errors', async () => {
  for (const name of [undefined, 5, '']) {
    await assert.rejects(open(name), { code: 'bad_argument' });
  }
  const options = ['x', { sotrage: 1 }, { storage: {} }, { onProgress: 5 }];
  for (const bad of options) {
    await assert.rejects(storage.openStored('garden', bad), { code: 'bad_argument' }, JSON.stringify(bad));
  }
  const stored = await open('garden', { storage: new MemoryStorage() });
  assert.throws(() => stored.on('changes', () => {}), { code: 'bad_argument' });
  assert.throws(() => stored.on('status', null), { code: 'bad_argument' });
  await stored.close();
});

test('how much was read is reported', async () => {
  const { kept } = await written();
  const told = [];
  const stored = await open('garden', { storage: kept, onProgress: (of) => told.push(of) });
  assert.deepEqual(told.at(0), { done: 0, total: 2 });
  assert.deepEqual(told.at(-1), { done: 2, total: 2 });
  await stored.close();
});

test('whatever happens, nothing that was stored is lost, and what those have who stay is stored', async () => {
  const from = Number(process.env.STORAGE_SEED ?? 1);
  const rounds = process.env.STORAGE_SEED === undefined ? 100 : 1;
  for (let seed = from; seed < from + rounds; seed += 1) {
    try {
      await live(randomFrom(seed));
    } catch (error) {
      error.message = `STORAGE_SEED=${seed}: ${error.message}`;
      throw error;
    }
  }
});

/** Some who have a document open type, replace it by files, are killed and come; the storage fails at times. */
async function live(random) {
  const pick = (limit) => Math.floor(random() * limit);
  const kept = new MemoryStorage();
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  kept.pause = async () => {
    for (let turns = pick(4); turns > 0; turns -= 1) await turn();
  };
  const come = async () => {
    const program = kept.program();
    return { program, stored: await open('garden', { storage: program.storage }) };
  };
  let here = [await come()];
  /** Characters that have to be there at the end. */
  const promised = new Set();
  let emptied = 0;
  for (let step = 0; step < 60; step += 1) {
    const one = here[pick(here.length)];
    const { document } = one.stored;
    const what = random();
    if (what < 0.5) {
      const character = String.fromCharCode(0x4e00 + step);
      document.insert(pick(document.length + 1), character);
      if (random() < 0.4) {
        const before = emptied;
        const flushed = one.stored.flush().then(
          () => emptied === before && promised.add(character),
          () => {},
        );
        if (random() < 0.5) await flushed;
      }
    } else if (what < 0.6) {
      void one.stored.compact().catch(() => {});
    } else if (what < 0.7 && here.length < 4) {
      here.push(await come());
    } else if (what < 0.78 && here.length > 1) {
      here = here.filter((other) => other !== one);
      one.program.kill();
    } else if (what < 0.84) {
      kept.fault = error('storage_failed');
    } else if (what < 0.86) {
      kept.documents.clear();
      // Those who are here store it again, unless they are killed before.
      emptied += 1;
      promised.clear();
    } else {
      kept.fault = null;
    }
    await turn();
  }
  kept.fault = null;
  // Who edits notices that the storage was emptied.
  for (const { stored } of here) {
    stored.document.insert(0, '.');
    await stored.flush();
  }
  await until(() => here.every(({ stored }) => stored.status.state === 'saved'));
  const after = await textIn(kept, 'garden');
  for (const { stored } of here) {
    for (const character of stored.document.getText()) assert.ok(after.includes(character), character);
    await stored.close();
  }
  for (const character of promised) assert.ok(after.includes(character), `${character} is lost`);
}
