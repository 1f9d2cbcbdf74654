// Older versions of a `Document`, authors, branches, and the way back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt, errorOf } from './package.mjs';

const { Document, toDelta } = crdt;

function applied(text, changes) {
  return changes.reduce(
    (now, { position, deleted, inserted }) =>
      now.slice(0, position) + inserted + now.slice(position + deleted),
    text,
  );
}

test('every version can be looked at again', () => {
  const doc = new Document();
  const versions = [];
  for (const [position, deleted, inserted] of [
    [0, 0, 'Hello 😀'],
    [6, 2, 'world'],
    [0, 5, 'Good morning'],
    [12, 6, ''],
  ]) {
    doc.replace(position, deleted, inserted);
    versions.push([doc.version(), doc.getText()]);
  }
  for (const [from, before] of versions) {
    assert.equal(doc.textAt(from), before);
    for (const [to, after] of versions) {
      const changes = doc.diff(from, to);
      assert.equal(applied(before, changes), after);
      const other = new Document();
      other.insert(0, before);
      other.applyDelta(toDelta(changes));
      assert.equal(other.getText(), after);
    }
  }
});

test('versions of other documents are refused, in words', () => {
  const [doc, other] = [new Document(), new Document()];
  doc.insert(0, 'mine');
  other.insert(0, 'theirs');
  const version = other.version();
  for (const call of [
    () => doc.textAt(version),
    () => doc.diff(doc.version(), version),
    () => doc.revertTo(version),
    () => doc.branch(version),
    () => doc.saveShallow(version),
  ]) {
    assert.equal(errorOf(call).code, 'unknown_event');
  }
  for (const bad of [undefined, null, 'x', 5, {}]) {
    assert.equal(errorOf(() => doc.textAt(bad)).code, 'bad_argument');
    assert.equal(errorOf(() => doc.diff(doc.version(), bad)).code, 'bad_argument');
    assert.equal(errorOf(() => doc.compare(bad, doc.version())).code, 'bad_argument');
    assert.equal(errorOf(() => doc.revertTo(bad)).code, 'bad_argument');
  }
  assert.equal(doc.getText(), 'mine');
});

test('history and blame say who, when and what', () => {
  const start = Date.now();
  const [ada, bob] = [new Document({ name: 'Ada' }), new Document('bob')];
  ada.insert(0, 'a😀b');
  bob.merge(ada.encodeSince());
  bob.delete(0, 1);
  bob.insert(2, 'bob');
  ada.merge(bob.encodeSince(ada.version()));

  const runs = [...ada.history()];
  assert.deepEqual(
    runs.map(({ name, kind, length, text }) => [name, kind, length, text]),
    [['Ada', 'insert', 3, 'a😀b'], ['bob', 'delete', 1, ''], ['bob', 'insert', 3, 'bob']],
  );
  assert.deepEqual(
    runs.map(({ version }) => ada.textAt(version)),
    ['a😀b', '😀b', '😀bobb'],
  );
  for (const { agent, time } of runs) {
    assert.ok(agent === ada.agentId || agent === 'bob');
    assert.ok(Math.abs(time - start) < 120_000, `${time} is about ${start}`);
  }
  assert.deepEqual(
    ada.blame().map(({ from, to, name }) => [from, to, name]),
    [[0, 2, 'Ada'], [2, 5, 'bob'], [5, 6, 'Ada']],
  );
  assert.deepEqual(
    ada.blame(3, 4).map(({ from, to, name }) => [from, to, name]),
    [[3, 4, 'bob']],
  );
  assert.equal(errorOf(() => ada.blame(0, 7)).code, 'out_of_bounds');
  assert.equal(errorOf(() => ada.blame('x')).code, 'bad_argument');
  // The times are in files, too.
  const [first] = Document.open(ada.save()).history();
  assert.equal(first.time, runs[0].time);
});

test('long histories come whole', () => {
  const doc = new Document();
  for (let i = 0; i < 3000; i += 1) doc.insert(0, `${i % 10}`);
  const runs = [...doc.history()];
  assert.equal(runs.length, 3000);
  assert.equal(runs.map(({ text }) => text).reverse().join(''), doc.getText());
  assert.equal(doc.textAt(runs[1499].version).length, 1500);
  const history = doc.history();
  doc.free();
  assert.equal(errorOf(() => history.next()).code, 'dead_handle');
  assert.equal(errorOf(() => doc.history()).code, 'dead_handle');
});

test('a revert is an edit, which others merge', () => {
  const [doc, other] = [new Document(), new Document()];
  doc.insert(0, 'keep this 😀');
  const version = doc.version();
  doc.replace(0, 4, 'lose');
  other.merge(doc.encodeSince());
  const heard = [];
  doc.on('change', ({ changes, origin, local }) => heard.push([changes, origin, local]));
  const before = doc.getText();
  doc.revertTo(version, 'button');
  assert.equal(doc.getText(), 'keep this 😀');
  assert.deepEqual(
    heard.map(([, origin, local]) => [origin, local]),
    [['button', true]],
  );
  assert.equal(applied(before, heard[0][0]), doc.getText());
  other.merge(doc.encodeSince(other.version()));
  assert.equal(other.getText(), doc.getText());
});

test('a branch is a document of its own, until it is merged', () => {
  const doc = new Document({ name: 'Ada' });
  doc.insert(0, 'Chapter one');
  const version = doc.version();
  doc.insert(11, '!');
  const branch = doc.branch(version, { name: 'Ada' });
  assert.equal(branch.getText(), 'Chapter one');
  assert.notEqual(branch.agentId, doc.agentId);
  branch.delete(0, 8);
  assert.equal(doc.getText(), 'Chapter one!');
  assert.equal(doc.compare(doc.version(), branch.version()), 'concurrent');
  doc.merge(branch.encodeSince(doc.version()));
  assert.equal(doc.getText(), 'one!');
  assert.equal(doc.branch().getText(), 'one!');
  assert.equal(errorOf(() => doc.branch(version, '')).code, 'bad_agent_name');
});
