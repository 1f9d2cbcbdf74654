// Storages of somebody's own whose optional functions fail: `join`, `alone`, `persist`, `leaveBehind`.
import assert from 'node:assert/strict';
import { after, mock, test } from 'node:test';
import { MemoryStorage, open, textIn, until } from './storages.mjs';

const unhandled = [];
const onUnhandled = (reason) => unhandled.push(reason);
process.on('unhandledRejection', onUnhandled);
process.on('uncaughtException', onUnhandled);
after(() => {
  process.off('unhandledRejection', onUnhandled);
  process.off('uncaughtException', onUnhandled);
});

/** What a function does that does not keep to its declaration. */
const failing = {
  throws: () => {
    throw new Error('it fails');
  },
  rejects: async () => {
    throw new Error('it fails');
  },
  'returns a number': () => 5,
  'returns an object': () => ({}),
  'resolves to an object': async () => ({}),
};

for (const [how, join] of Object.entries(failing)) {
  test(`a storage whose join ${how} stores all the same, and is joined once it can be`, async () => {
    const kept = new MemoryStorage();
    kept.join = join;
    const stored = await open('garden', { storage: kept });
    assert.equal(stored.status.problem.code, 'storage_failed');
    assert.match(stored.status.problem.message, /it fails|join\(\) has to return/);
    stored.document.insert(0, 'typed ');
    await stored.flush();
    assert.equal(stored.status.state, 'saved');
    assert.equal(stored.status.problem.code, 'storage_failed');
    // Another one stores something meanwhile, which this one does not hear.
    delete kept.join;
    const other = await open('garden', { storage: kept });
    other.document.insert(0, 'unheard ');
    await other.close();
    await until(() => stored.status.problem === null);
    await until(() => stored.document.getText() === 'unheard typed ');
    await stored.close();
    assert.equal(await textIn(kept, 'garden'), 'unheard typed ');
    assert.deepEqual(unhandled.splice(0), []);
  });
}

test('a failing post or leave is a problem or reported, and loses nothing', async () => {
  for (const fail of [failing.throws, failing.rejects]) {
    const kept = new MemoryStorage();
    let isFailing = true;
    kept.join = (name, receive) => {
      const { post, leave } = MemoryStorage.prototype.join.call(kept, name, receive);
      return { post: (message) => (isFailing ? fail() : post(message)), leave: () => (leave(), fail()) };
    };
    const printed = mock.method(console, 'error', () => {});
    const stored = await open('garden', { storage: kept });
    const problems = [];
    stored.on('status', ({ problem }) => problems.push(problem?.code));
    stored.document.insert(0, 'typed');
    await stored.flush();
    assert.equal(stored.status.state, 'saved');
    await until(() => problems.includes('storage_failed'));
    isFailing = false;
    await until(() => stored.status.problem === null);
    // Where nothing can be written, nobody can hear of it either.
    isFailing = true;
    kept.fault = new Error('it fails');
    stored.document.insert(0, 'once more ');
    await assert.rejects(stored.flush(), { code: 'storage_failed' });
    kept.fault = null;
    await stored.close();
    await new Promise((resolve) => setImmediate(resolve));
    printed.mock.restore();
    assert.ok(printed.mock.callCount() > 0, 'that it cannot be left is reported');
    assert.equal(kept.calls.filter((call) => call === 'append').length, 3, 'each edit is written once, and tried once');
    assert.equal(await textIn(Object.assign(kept, { join: undefined }), 'garden'), 'once more typed');
    assert.deepEqual(unhandled.splice(0), []);
  }
});

for (const [how, alone] of Object.entries(failing)) {
  if (how.startsWith('resolves')) continue;
  test(`a storage whose alone ${how} is a problem, and is tried again`, async () => {
    const kept = new MemoryStorage();
    const calls = mock.fn(alone);
    const stored = await open('garden', { storage: kept });
    stored.document.insert(0, 'typed');
    kept.alone = calls;
    await assert.rejects(stored.compact(), { code: 'storage_failed', message: /it fails|alone\(\) has to return/ });
    assert.equal(stored.status.state, 'saved');
    assert.equal(stored.status.problem.code, 'storage_failed');
    await until(() => calls.mock.callCount() > 1);
    assert.equal(stored.status.problem.code, 'storage_failed');
    delete kept.alone;
    await until(() => stored.status.problem === null);
    assert.notEqual(kept.documents.get('garden').file, null, 'what had failed is done');
    await stored.close();
    assert.equal(await textIn(kept, 'garden'), 'typed');
    assert.deepEqual(unhandled.splice(0), []);
  });
}

test('a storage that acts in alone, and then fails, is a problem alone', async () => {
  const kept = new MemoryStorage();
  const stored = await open('garden', { storage: kept });
  stored.document.insert(0, 'typed');
  await stored.flush();
  kept.alone = (_, act) => {
    kept.fault = new Error('it fails');
    act();
    return 5;
  };
  await assert.rejects(stored.compact(), { code: 'storage_failed' });
  delete kept.alone;
  kept.fault = null;
  await until(() => stored.status.problem === null);
  await stored.close();
  assert.deepEqual(unhandled.splice(0), []);
});

for (const [how, persist] of Object.entries(failing)) {
  test(`a storage whose persist ${how} stores all the same`, async () => {
    const kept = Object.assign(new MemoryStorage(), { persist });
    const stored = await open('garden', { storage: kept });
    stored.document.insert(0, 'typed');
    await stored.flush();
    assert.equal(stored.status.state, 'saved');
    assert.equal(stored.status.problem, null);
    await stored.close();
    assert.equal(kept.calls.filter((call) => call === 'append').length, 1);
    assert.deepEqual(unhandled.splice(0), []);
  });
}

test('a storage that cannot leave edits behind stores them when the page is hidden', async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  Object.assign(globalThis, { document: page, addEventListener() {}, removeEventListener() {} });
  try {
    for (const leaveBehind of [failing.throws, () => 5, () => failing.throws]) {
      const printed = mock.method(console, 'error', () => {});
      const kept = Object.assign(new MemoryStorage(), { leaveBehind });
      page.visibilityState = 'visible';
      const stored = await open('garden', { storage: kept });
      stored.document.insert(0, 'typed');
      page.visibilityState = 'hidden';
      page.dispatchEvent(new Event('visibilitychange'));
      await stored.flush();
      assert.deepEqual([stored.status.state, stored.status.problem], ['saved', null]);
      await stored.close();
      printed.mock.restore();
      assert.equal(kept.calls.filter((call) => call === 'append').length, 1);
      assert.equal(await textIn(kept, 'garden'), 'typed');
    }
  } finally {
    for (const name of ['document', 'addEventListener', 'removeEventListener']) delete globalThis[name];
  }
  assert.deepEqual(unhandled.splice(0), []);
});
