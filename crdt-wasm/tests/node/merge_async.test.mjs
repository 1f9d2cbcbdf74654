// Merges in pieces: mergeAsync.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt } from './package.mjs';

const { Document, UndoManager } = crdt;

/** A document of so many edits, each a run of its own. */
function edited(agentId, edits, text = 'ab') {
  const doc = new Document({ agentId });
  for (let edit = 0; edit < edits; edit += 1) doc.insert((edit * 7919) % (doc.length + 1), text);
  return doc;
}

/** Has every piece be the smallest there is. */
function inSmallPieces(t) {
  let now = 0;
  t.mock.method(performance, 'now', () => (now += 1000));
}

const failure = (code) => (error) => error.name === 'CrdtError' && error.code === code;

test('what is merged in pieces is what is merged at once', async (t) => {
  inSmallPieces(t);
  const alice = edited('alice', 6000);
  const bob = new Document('bob');
  const parts = [];
  const report = await bob.mergeAsync(alice.encodeSince(), { onProgress: (part) => parts.push(part) });
  assert.equal(bob.getText(), alice.getText());
  assert.ok(bob.version().equals(alice.version()));
  assert.deepEqual(report, { applied: 12_000, duplicate: 0, pending: 0, dropped: 0, missing: [] });
  assert.equal(parts.at(-1), 1);
  assert.deepEqual(parts, parts.toSorted((a, b) => a - b));
});

test('what shows at the end is one change, and one update for others', async () => {
  const alice = edited('alice', 5000);
  const bob = new Document('bob');
  bob.merge(alice.encodeSince());
  const version = bob.version();
  alice.delete(10, 100);
  alice.insert(alice.length, 'end');
  const changes = [];
  const updates = [];
  bob.on('change', ({ changes: list, origin, local }) => changes.push([list, origin, local]));
  bob.on('update', (bytes, { origin }) => updates.push([bytes, origin]));
  const before = bob.getText();
  await bob.mergeAsync(alice.encodeSince(version), { origin: 'server' });
  const expected = [
    { position: before.length, deleted: 0, inserted: 'end' },
    { position: 10, deleted: 100, inserted: '' },
  ];
  assert.deepEqual(changes, [[expected, 'server', false]]);
  assert.equal(updates.length, 1);
  assert.equal(updates[0][1], 'server');
});

test('a document is edited, undone and merged with meanwhile', async (t) => {
  inSmallPieces(t);
  const [alice, carol] = [edited('alice', 6000), edited('carol', 100, 'c')];
  const bob = edited('bob', 10, 'b');
  const undo = new UndoManager(bob);
  let mirror = bob.getText();
  bob.on('change', ({ changes }) => {
    for (const { position, deleted, inserted } of changes) {
      mirror = mirror.slice(0, position) + inserted + mirror.slice(position + deleted);
    }
  });
  let steps = 0;
  const merged = bob.mergeAsync(alice.encodeSince(), {
    onProgress: () => {
      steps += 1;
      if (steps === 1) bob.insert(0, 'typed');
      if (steps === 2) bob.merge(carol.encodeSince());
    },
  });
  bob.insert(bob.length, 'at once');
  const report = await merged;
  assert.equal(report.applied, 12_000);
  assert.equal(mirror, bob.getText());
  while (undo.canUndo) undo.undo();
  alice.merge(carol.encodeSince());
  alice.merge(bob.encodeSince(alice.version()));
  bob.merge(carol.encodeSince());
  assert.equal(bob.getText(), alice.getText());
  assert.equal(mirror, bob.getText());
});

test('two merges at a time come to the same', async () => {
  const [alice, carol] = [edited('alice', 3000), edited('carol', 3000)];
  const bob = new Document('bob');
  await Promise.all([bob.mergeAsync(alice.encodeSince()), bob.mergeAsync(carol.encodeSince())]);
  alice.merge(carol.encodeSince());
  assert.equal(bob.getText(), alice.getText());
});

test('a merge that is aborted or refused has merged nothing', async (t) => {
  inSmallPieces(t);
  const alice = edited('alice', 6000);
  const bob = edited('bob', 10, 'b');
  const before = [bob.getText(), bob.version().toText()];
  const unchanged = () => assert.deepEqual([bob.getText(), bob.version().toText()], before);
  const bytes = alice.encodeSince();
  const gone = AbortSignal.abort(new Error('gone'));
  await assert.rejects(bob.mergeAsync(bytes, { signal: gone }), { message: 'gone' });
  const leaving = new AbortController();
  const onProgress = () => leaving.abort();
  const aborted = bob.mergeAsync(bytes, { signal: leaving.signal, onProgress });
  await assert.rejects(aborted, { name: 'AbortError' });
  unchanged();
  await assert.rejects(bob.mergeAsync(bytes.slice(0, -1)), failure('bad_bytes'));
  // The last events are others than those that are known under their name.
  const [one, two] = [new Document('x'), new Document('x')];
  one.insert(0, 'one');
  two.insert(0, 'two');
  const carol = edited('carol', 5000);
  carol.merge(one.encodeSince());
  bob.merge(two.encodeSince());
  before.splice(0, 2, bob.getText(), bob.version().toText());
  await assert.rejects(bob.mergeAsync(carol.encodeSince()), failure('conflicting_event'));
  unchanged();
});

test('a document that is freed meanwhile, and wrong arguments, are errors', async (t) => {
  inSmallPieces(t);
  const bytes = edited('alice', 6000).encodeSince();
  const bob = new Document('bob');
  const merged = bob.mergeAsync(bytes, { onProgress: () => bob.free() });
  await assert.rejects(merged, failure('dead_handle'));
  await assert.rejects(bob.mergeAsync(bytes), failure('dead_handle'));
  const carol = new Document('carol');
  await assert.rejects(carol.mergeAsync('text'), failure('bad_argument'));
  await assert.rejects(carol.mergeAsync(bytes, { onprogress() {} }), failure('bad_argument'));
  await assert.rejects(carol.mergeAsync(bytes, { onProgress: 1 }), failure('bad_argument'));
  await assert.rejects(carol.mergeAsync(bytes, { signal: true }), failure('bad_argument'));
});
