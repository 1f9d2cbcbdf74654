// Documents as files.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt, errorOf } from './package.mjs';

const { Document } = crdt;

/** A document that two people wrote. */
function written() {
  const [alice, bob] = [new Document({ name: 'Ada' }), new Document('bob')];
  for (let i = 0; i < 200; i += 1) {
    alice.insert(alice.length, `line ${i} 😀\n`);
    if (i % 10 === 0) alice.delete(0, 3);
  }
  bob.merge(alice.encodeSince());
  bob.insert(5, 'by bob');
  alice.insert(9, 'by Ada');
  alice.merge(bob.encodeSince(alice.version()));
  return alice;
}

test('a document comes back from every kind of file', () => {
  const doc = written();
  const sizes = {};
  for (const prefer of ['speed', 'balanced', 'size']) {
    for (const text of [true, false]) {
      const file = doc.save({ prefer, text });
      sizes[`${prefer} ${text}`] = file.length;
      for (const open of [Document.open, Document.openVerified]) {
        const opened = open(file);
        assert.equal(opened.getText(), doc.getText());
        opened.insert(0, 'edited before its history is read. ');
        assert.equal(opened.getText(), `edited before its history is read. ${doc.getText()}`);
        assert.ok(opened.compare(doc.version(), opened.version()) === 'before');
        opened.free();
      }
    }
  }
  assert.ok(sizes['size true'] < sizes['speed true']);
  assert.deepEqual(Document.open(doc.save().buffer).save(), doc.save());
  doc.free();
});

test('what was edited after opening is merged like all else', () => {
  const doc = written();
  const opened = Document.open(doc.save(), 'carol');
  assert.equal(opened.agentId, 'carol');
  const updates = [];
  opened.on('update', (bytes) => updates.push(bytes));
  opened.insert(3, 'X');
  doc.insert(7, 'Y');
  updates.forEach((bytes) => doc.merge(bytes));
  opened.merge(doc.encodeSince(opened.version()));
  assert.equal(opened.getText(), doc.getText());
});

test('damaged files are refused in words', () => {
  const file = written().save();
  assert.equal(errorOf(() => Document.open(new Uint8Array())).code, 'bad_bytes');
  assert.equal(errorOf(() => Document.open(file.subarray(0, 40))).code, 'bad_bytes');
  for (const open of [Document.open, Document.openVerified]) {
    for (let at = 0; at < file.length; at += 1) {
      let opened;
      try {
        opened = open(file.with(at, file[at] ^ 0x10));
      } catch (error) {
        assert.equal(error.name, 'CrdtError', `byte ${at}: ${error}`);
        continue;
      }
      // The history is read when it is needed.
      try {
        opened.encodeSince();
      } catch (error) {
        assert.ok(['corrupt_history', 'bad_bytes'].includes(error.code), `byte ${at}: ${error}`);
      }
      opened.free();
    }
  }
  for (const bad of [undefined, 'file', 5, {}, []]) {
    assert.equal(errorOf(() => Document.open(bad)).code, 'bad_argument');
  }
  assert.equal(errorOf(() => Document.open(file, '')).code, 'bad_agent_name');
  assert.equal(errorOf(() => Document.open(file, { nmae: 'x' })).code, 'bad_argument');
});

test('options have to be what they are called', () => {
  const doc = new Document();
  for (const options of ['size', { size: true }, { prefer: 5 }, { text: 'no' }, { since: 5 }]) {
    assert.equal(errorOf(() => doc.save(options)).code, 'bad_argument');
  }
});

test('a shallow file lets the older history go', () => {
  const doc = written();
  const whole = doc.save();
  const file = doc.saveShallow();
  assert.ok(file.length < whole.length);
  const opened = Document.open(file);
  assert.equal(opened.getText(), doc.getText());
  assert.equal([...opened.history()].length, 0);
  opened.insert(0, 'new ');
  doc.merge(opened.encodeSince(doc.version()));
  assert.equal(doc.getText(), opened.getText());
  assert.equal(errorOf(() => opened.encodeSince()).code, 'too_old');
  assert.equal(errorOf(() => opened.textAt(new Document().version())).code, 'too_old');
  assert.equal(errorOf(() => new Document().saveShallow(doc.version())).code, 'unknown_event');
  for (const options of [5, true, [], { smaller: true }]) {
    assert.equal(errorOf(() => doc.saveShallow(null, options)).code, 'bad_argument');
    assert.equal(errorOf(() => doc.save(options)).code, 'bad_argument');
  }
  const since = doc.version();
  doc.insert(0, 'newer ');
  assert.equal([...Document.open(doc.saveShallow(since, { prefer: 'size' })).history()].length, 1);
});
