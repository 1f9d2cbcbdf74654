import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { crdt, errorOf } from './package.mjs';

const { Document } = crdt;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

test('the class has every function of the flat API', () => {
  const alice = new Document('alice');
  const bob = new Document('bob');
  assert.deepEqual(alice.insert(0, 'Hello!'), { position: 0, deleted: 0, inserted: 'Hello!' });
  const before = alice.getFrontierJson();
  assert.deepEqual(alice.deleteRange(5, 1), { position: 5, deleted: 1, inserted: '' });
  assert.equal(alice.getText(), 'Hello');
  bob.mergeOperations(alice.getOperationsSinceJson('[]'));
  assert.equal(bob.getOperationsJson(), alice.getOperationsJson());
  assert.match(alice.getOperationsSinceJson(before), /"d",5,1/);
  assert.equal(bob.mergeOperations(alice.getOperationsJson(), bob.getFrontierJson()).applied, 0);
  alice.free();
  bob.free();
});

test('documents that begin with the same text have it once', () => {
  const initialText = '# Notes 😀\n';
  const [a, b] = [new Document({ name: 'Ada', initialText }), new Document({ initialText })];
  a.insert(0, '> ');
  b.insert(b.length, 'by Ben');
  a.merge(b.encodeSince());
  b.merge(a.encodeSince());
  assert.equal(a.getText(), '> # Notes 😀\nby Ben');
  assert.equal(b.getText(), a.getText());
  // A reader that deletes it does not get it back.
  const c = new Document({ initialText });
  c.delete(0, c.length);
  c.merge(new Document({ initialText }).encodeSince());
  assert.equal(c.getText(), '');
  const other = new Document({ initialText: 'other' });
  other.merge(a.encodeSince());
  assert.ok(other.getText().includes('other') && other.getText().includes('# Notes'));
  assert.equal(Document.open(a.save(), { initialText }).getText(), a.getText());
  assert.equal(new Document({ initialText: '' }).getText(), '');
  assert.equal(errorOf(() => new Document({ initialText: 5 })).code, 'bad_argument');
});

test('class and flat API are one registry', () => {
  const doc = new Document('alice');
  crdt.insert(doc.handle, 0, 'flat');
  assert.equal(doc.getText(), 'flat');
  crdt.free_document(doc.handle);
  assert.equal(errorOf(() => doc.getText()).code, 'dead_handle');
  doc.free();
});

test('after free every method throws the same typed error, and free may be called again', () => {
  const doc = new Document('alice');
  const { handle } = doc;
  doc.free();
  doc.free();
  for (const call of [
    () => doc.getText(),
    () => doc.insert(0, 'x'),
    () => doc.deleteRange(0, 0),
    () => doc.getOperationsJson(),
    () => doc.getOperationsSinceJson('[]'),
    () => doc.getFrontierJson(),
    () => doc.mergeOperations('{}'),
    () => crdt.get_text(handle),
  ]) {
    assert.equal(errorOf(call).code, 'dead_handle');
  }
});

test('a document whose wrapper is gone is freed, its handle read or not', async () => {
  const handles = [];
  for (let i = 0; i < 50; i += 1) {
    handles.push(new Document(`agent-${i}`).handle);
  }
  const kept = new Document('kept');
  const listened = (() => {
    const doc = new Document('listened');
    doc.on('change', () => {});
    return doc.handle;
  })();
  const freed = () =>
    handles.filter((handle) => {
      try {
        crdt.get_text(handle);
        return false;
      } catch (error) {
        return error.code === 'dead_handle';
      }
    }).length;
  for (let round = 0; round < 50 && freed() < 40; round += 1) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(freed() >= 40, `${freed()} of 50 are freed`);
  assert.equal(kept.getText(), '');
  // Who listens keeps it.
  assert.equal(crdt.get_text(listened), '');
});

test('errors are real Error objects', () => {
  const error = errorOf(() => new Document(''));
  assert.equal(error.name, 'CrdtError');
  assert.ok(error.stack.includes('CrdtError') || error.stack.length > 0);
  assert.ok(error.message.length > 10);
});
