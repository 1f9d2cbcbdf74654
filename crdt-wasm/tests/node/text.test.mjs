// The text of a `Document`: reading, editing, transactions, and what listeners receive.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt, errorOf } from './package.mjs';

const { Document, toDelta } = crdt;

function documentWith(text) {
  const doc = new Document();
  doc.insert(0, text);
  return doc;
}

/** What the listeners of a document receive. */
function hear(doc) {
  const heard = [];
  doc.on('change', ({ changes, delta, origin, local }) => heard.push({ changes, delta, origin, local }));
  return heard;
}

/** A text with changes made, one after the other. */
function applied(text, changes) {
  return changes.reduce(
    (now, { position, deleted, inserted }) =>
      now.slice(0, position) + inserted + now.slice(position + deleted),
    text,
  );
}

test('documents without a name differ, and a name is a part of theirs', () => {
  const [one, two, ada] = [new Document(), new Document(null), new Document({ name: 'Ada' })];
  assert.notEqual(one.agentId, two.agentId);
  assert.match(ada.agentId, /^Ada {2}[\w-]{12}$/);
  assert.match(new Document({ name: ' Ada   L ' }).agentId, /^ Ada L {2}[\w-]{12}$/);
  assert.equal(new Document('alice').agentId, 'alice');
  assert.equal(new Document({ agentId: 'bob' }).agentId, 'bob');
  assert.equal(errorOf(() => new Document({ agent: 'bob' })).code, 'bad_argument');
  assert.equal(errorOf(() => new Document({ name: 5 })).code, 'bad_argument');
  assert.equal(errorOf(() => new Document(5)).code, 'bad_argument');
  assert.equal(errorOf(() => new Document({ name: 'x'.repeat(200) })).code, 'bad_agent_name');
  // As U+FFFD, these two would be one.
  for (const half of ['a\ud800', 'a\udc00']) {
    assert.equal(errorOf(() => new Document(half)).code, 'bad_agent_name');
    assert.equal(errorOf(() => new Document({ agentId: half })).code, 'bad_agent_name');
    assert.equal(errorOf(() => crdt.create_document(half)).code, 'bad_agent_name');
    assert.equal(errorOf(() => crdt.open_document(new Document().save(), half)).code, 'bad_agent_name');
  }
});

test('the person comes back from all names of replicas, and from no other', () => {
  const old = ['Ada~abcdefghijkl', 'Ada\x01abcdefghijkl'];
  for (const agent of [new Document({ name: 'Ada' }).agentId, ...old]) {
    const doc = new Document(agent);
    doc.insert(0, 'x');
    assert.equal([...doc.history()][0].name, 'Ada');
  }
  const other = new Document('Ada abcdefghijkl');
  other.insert(0, 'x');
  assert.equal([...other.history()][0].name, 'Ada abcdefghijkl');
});

test('length and slice count UTF-16 units, and cut no pair', () => {
  const doc = documentWith('a😀b字');
  assert.equal(doc.length, 5);
  assert.equal(`${doc}`, 'a😀b字');
  for (const [from, to, expected] of [
    [0, 5, 'a😀b字'],
    [undefined, undefined, 'a😀b字'],
    [3, undefined, 'b字'],
    [1, 3, '😀'],
    [2, 3, '😀'],
    [0, 2, 'a'],
    [4, 1, ''],
    [5, 5, ''],
  ]) {
    assert.equal(doc.slice(from, to), expected, `${from} to ${to}`);
  }
  for (const [from, to, code] of [
    [6, 6, 'out_of_bounds'],
    [0, 6, 'out_of_bounds'],
    [0, 2 ** 40, 'out_of_bounds'],
    [-1, 2, 'bad_position'],
    [0.5, 2, 'bad_position'],
    [NaN, 2, 'bad_position'],
    ['0', 2, 'bad_argument'],
  ]) {
    assert.equal(errorOf(() => doc.slice(from, to)).code, code, `${from} to ${to}`);
  }
});

test('replace and delete say what they really changed', () => {
  const doc = documentWith('a😀b');
  assert.deepEqual(doc.replace(2, 1, '\ud800!'), { position: 1, deleted: 2, inserted: '\ufffd!' });
  assert.equal(doc.getText(), 'a\ufffd!b');
  assert.deepEqual(doc.delete(1, 2), { position: 1, deleted: 2, inserted: '' });
  assert.equal(errorOf(() => doc.replace(0, 3, 'x')).code, 'out_of_bounds');
  assert.equal(errorOf(() => doc.replace(0, 1, 5)).code, 'bad_argument');
  assert.equal(doc.getText(), 'ab');
});

test('a delta is made as one change, or not at all', () => {
  const doc = documentWith('Hello world');
  const heard = hear(doc);
  const delta = [{ retain: 5 }, { insert: ',' }, { retain: 1 }, { delete: 5 }, { insert: 'all 😀' }];
  doc.applyDelta(delta, 'me');
  assert.equal(doc.getText(), 'Hello, all 😀');
  assert.equal(heard.length, 1);
  assert.equal(heard[0].origin, 'me');
  assert.equal(applied('Hello world', heard[0].changes), doc.getText());
  const other = documentWith('Hello world');
  other.applyDelta(heard[0].delta);
  assert.equal(other.getText(), doc.getText());
  for (const [delta, code] of [
    ['x', 'bad_argument'],
    [[{ retain: 99 }], 'out_of_bounds'],
    [[{ delete: 1 }, { delete: 99 }], 'out_of_bounds'],
    [[{ retain: -1 }], 'bad_argument'],
    [[{ delete: 1.5 }], 'bad_argument'],
    [[{ insert: 5 }], 'bad_argument'],
  ]) {
    assert.equal(errorOf(() => other.applyDelta(delta)).code, code);
  }
  assert.equal(other.getText(), doc.getText());
  assert.deepEqual(toDelta([]), []);
});

test('a delta of other steps than one of retain, insert and delete each is refused', () => {
  const doc = documentWith('Hello');
  for (const delta of [
    [{ reatin: 3 }, { insert: 'Z' }],
    [{}],
    [{ insert: 'x', delete: 1 }],
    [{ insert: 'x', attributes: { bold: true } }],
    new Array(3),
    [null],
    ['x'],
  ]) {
    assert.equal(errorOf(() => doc.applyDelta(delta)).code, 'bad_argument', JSON.stringify(delta));
  }
  assert.equal(doc.getText(), 'Hello');
  for (const changes of [null, 'x', {}, [null], [1], [{ position: NaN, deleted: {}, inserted: 5 }]]) assert.equal(errorOf(() => toDelta(changes)).code, 'bad_argument');
});

test('every edit is reported, from every author and every call', () => {
  const doc = new Document('alice');
  const heard = hear(doc);
  doc.insert(0, 'ab');
  crdt.insert(doc.handle, 1, '😀');
  crdt.delete_range(doc.handle, 0, 1);
  doc.insert(0, '');
  const other = new Document('bob');
  other.merge(doc.encodeSince());
  other.insert(0, '> ');
  doc.merge(other.encodeSince(doc.version()), 'socket');
  other.insert(0, '> ');
  crdt.merge_operations(doc.handle, other.getOperationsJson());
  assert.equal(heard.reduce((text, { changes }) => applied(text, changes), ''), doc.getText());
  assert.deepEqual(
    heard.map(({ origin, local }) => [origin, local]),
    [[undefined, true], [undefined, true], [undefined, true], ['socket', false], [undefined, false]],
  );
});

test('a transaction is one event, which may be of no change at all', () => {
  const doc = documentWith('start');
  const heard = hear(doc);
  const result = doc.transact(() => {
    doc.insert(0, 'x');
    doc.transact(() => doc.insert(6, '😀'), 'inner');
    crdt.delete_range(doc.handle, 0, 1);
    return 7;
  }, 'outer');
  assert.equal(result, 7);
  assert.deepEqual(heard, [
    {
      changes: [{ position: 5, deleted: 0, inserted: '😀' }],
      delta: [{ retain: 5 }, { insert: '😀' }],
      origin: 'outer',
      local: true,
    },
  ]);
  doc.transact(() => {
    doc.insert(0, 'gone');
    doc.delete(0, 4);
  });
  assert.equal(heard.length, 1);
  assert.throws(
    () =>
      doc.transact(() => {
        doc.insert(0, 'stays');
        throw new RangeError('mine');
      }),
    RangeError,
  );
  assert.equal(heard.length, 2);
  assert.equal(errorOf(() => doc.transact('x')).code, 'bad_argument');
});

test('listeners may edit, throw, and take themselves away', () => {
  const reported = [];
  const { error: showError } = console;
  const { reportError } = globalThis;
  globalThis.reportError = (error) => reported.push(error.message);
  try {
    const doc = new Document();
    const order = [];
    const stop = doc.on('change', () => {
      order.push('first');
      stop();
      throw new Error('mine');
    });
    doc.on('change', ({ changes: [{ inserted }] }) => {
      order.push(inserted);
      if (inserted === 'a') doc.insert(1, 'b');
    });
    doc.insert(0, 'a');
    doc.insert(2, 'c');
    assert.deepEqual(order, ['first', 'a', 'b', 'c']);
    assert.deepEqual(reported, ['mine']);
  } finally {
    globalThis.reportError = reportError;
    console.error = showError;
  }
});

test('updates bring others up to date, and are few bytes', () => {
  const [alice, bob] = [new Document('alice'), new Document('bob')];
  let bytes = 0;
  alice.on('update', (update, { local }) => {
    assert.equal(local, true);
    bytes += update.length;
    bob.merge(update);
  });
  const relayed = [];
  bob.on('update', (update, how) => relayed.push([update, how.local]));
  for (let at = 0; at < 100; at += 1) alice.insert(at, 'x');
  alice.transact(() => {
    alice.delete(0, 50);
    alice.insert(0, 'y');
  });
  assert.equal(bob.getText(), alice.getText());
  assert.ok(bytes < 100 * 20);
  assert.equal(relayed.length, 101);
  const carol = new Document('carol');
  for (const [update, local] of relayed) {
    assert.equal(local, false);
    carol.merge(update);
  }
  assert.equal(carol.getText(), alice.getText());
});

test('there are no other events, and listeners are functions', () => {
  const doc = new Document();
  assert.equal(errorOf(() => doc.on('changes', () => {})).code, 'bad_argument');
  assert.equal(errorOf(() => doc.on('constructor', () => {})).code, 'bad_argument');
  assert.equal(errorOf(() => doc.on(5, () => {})).code, 'bad_argument');
  assert.equal(errorOf(() => doc.on('change', null)).code, 'bad_argument');
  doc.off('change', () => {});
  doc.free();
  assert.equal(errorOf(() => doc.on('change', () => {})).code, 'dead_handle');
});
