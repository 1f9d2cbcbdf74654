// What openStored and the functions beside it are given: replicas, names, classes, storages, listeners.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { crdt } from './package.mjs';
import { fileStorage, MemoryStorage, open, storage, textIn } from './storages.mjs';

const { Document } = crdt;
const badArgument = { name: 'CrdtError', code: 'bad_argument' };

/** The errors that reach the page, in place of those that Node prints; and what else nobody handles. */
async function reportedBy(act) {
  const [reported, unhandled] = [[], []];
  const onUnhandled = (reason) => unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  const printed = mock.method(console, 'error', (error) => reported.push(error.message));
  try {
    await act();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    printed.mock.restore();
    process.off('unhandledRejection', onUnhandled);
  }
  assert.deepEqual(unhandled, []);
  return reported;
}

test('a string is the name of a person, and each opening has an id of its own', async () => {
  const kept = new MemoryStorage();
  const here = kept.program();
  const there = kept.program();
  // They cannot hear each other, as two programs with one folder.
  for (const { storage } of [here, there]) storage.join = undefined;
  const a = await open('garden', { storage: here.storage, agent: 'Ada' });
  const b = await open('garden', { storage: there.storage, agent: 'Ada' });
  assert.notEqual(a.document.agentId, b.document.agentId);
  a.document.insert(0, 'from one tab. ');
  b.document.insert(0, 'from the other. ');
  await Promise.all([a.close(), b.close()]);
  const again = await open('garden', { storage: kept });
  assert.equal(again.status.problem, null);
  assert.match(again.document.getText(), /from one tab\. /);
  assert.match(again.document.getText(), /from the other\. /);
  assert.deepEqual([...again.document.history()].map(({ name }) => name), ['Ada', 'Ada']);
  await again.close();
});

test('an agent id is refused, before and beside stored content', async () => {
  const kept = new MemoryStorage();
  const refused = { ...badArgument, message: /each opening .* makes an id of its own; give agent\.name/ };
  const document = new Document();
  for (const options of [{}, { document }]) {
    await assert.rejects(open('garden', { storage: kept, agent: { agentId: 'Ada' }, ...options }), refused);
  }
  for (const agent of [5, true, { nickname: 'Ada' }, { name: 5 }, () => {}]) {
    await assert.rejects(open('garden', { storage: kept, agent }), badArgument, String(agent));
  }
  await assert.rejects(open('garden', { storage: kept, agent: 'x'.repeat(200) }), { code: 'bad_agent_name' });
  assert.deepEqual(await storage.listStored({ storage: kept }), []);
  // A document that the caller made keeps its id.
  const own = await open('garden', { storage: kept, document: new Document('mine'), agent: null });
  assert.equal(own.document.agentId, 'mine');
  await own.close();
});

test('names with half of a surrogate pair are refused', async () => {
  const kept = new MemoryStorage();
  for (const name of ['\ud800', 'garden \udc00', '\ude00\ud83d']) {
    await assert.rejects(open(name, { storage: kept }), { ...badArgument, message: /surrogate/ });
    await assert.rejects(storage.removeStored(name, { storage: kept }), badArgument);
    assert.throws(() => fileStorage(`/tmp/${name}`), badArgument);
  }
  assert.deepEqual(kept.calls, []);
  assert.equal(await textIn(kept, '\ufffd 😀'), '');
});

test('what is no storage, class or document has a code', async () => {
  const unavailable = { name: 'CrdtError', code: 'storage_unavailable' };
  // As for openStored, null is the default.
  await assert.rejects(storage.listStored({ storage: null }), unavailable);
  await assert.rejects(storage.removeStored('garden', { storage: null }), unavailable);
  assert.equal(storage.indexedDbStorage(null), storage.indexedDbStorage());
  for (const options of [5, 'notes', { database: 5 }, { database: null }, { name: 'notes' }]) {
    assert.throws(() => storage.indexedDbStorage(options), badArgument, JSON.stringify(options));
  }
  const kept = new MemoryStorage();
  for (const no of [5, 'notes', { ...kept, load() {} }]) {
    await assert.rejects(storage.listStored({ storage: no }), badArgument);
    await assert.rejects(storage.removeStored('garden', { storage: no }), badArgument);
    await assert.rejects(open('garden', { storage: no }), badArgument);
  }
  for (const optional of ['list', 'persist', 'leaveBehind', 'alone', 'join']) {
    const wrong = new MemoryStorage();
    wrong[optional] = 5;
    await assert.rejects(open('garden', { storage: wrong }), { ...badArgument, message: new RegExp(optional) });
  }
  class Half {
    static open() {}
  }
  const classes = [() => {}, class {}, Half, null, 5, {}, Document.open, new Document()];
  for (const no of classes) {
    await assert.rejects(storage.openStored('garden', { storage: kept, Document: Promise.resolve(no) }), badArgument);
    await assert.rejects(storage.openStored('garden', { storage: kept, Document: no }), badArgument);
  }
  for (const no of [5, {}, { encodeSince() {} }, Document]) {
    await assert.rejects(open('garden', { storage: kept, document: no }), badArgument);
  }
  const freed = new Document();
  freed.free();
  await assert.rejects(open('garden', { storage: kept, document: freed }), { name: 'CrdtError' });
});

test('what onProgress or a listener throws is reported, and the document opens', async () => {
  const kept = new MemoryStorage();
  const before = await open('garden', { storage: kept });
  before.document.insert(0, 'stored');
  await before.close();
  const failing = [
    () => {
      throw new Error('of the caller');
    },
    async () => {
      throw new Error('of the caller');
    },
  ];
  for (const listener of failing) {
    const reported = await reportedBy(async () => {
      const stored = await open('garden', { storage: kept, onProgress: listener });
      assert.equal(stored.document.getText(), 'stored');
      assert.equal(stored.status.problem, null);
      await stored.close();
    });
    assert.deepEqual(reported, ['of the caller', 'of the caller']);
    const ofStatus = await reportedBy(async () => {
      const stored = await open('beds', { storage: kept });
      stored.on('status', listener);
      stored.document.insert(0, 'typed');
      await stored.close();
    });
    assert.deepEqual(ofStatus, ['of the caller', 'of the caller']);
  }
});
