// Versions, patches and anchors: what replicas give each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt, errorOf } from './package.mjs';

const { Anchor, Document, Version } = crdt;

function pair() {
  const [alice, bob] = [new Document('alice'), new Document('bob')];
  alice.insert(0, 'one 😀 two');
  bob.merge(alice.encodeSince());
  return [alice, bob];
}

test('what a version lacks is all that is sent', () => {
  const [alice, bob] = pair();
  alice.insert(0, 'A');
  bob.insert(bob.length, 'B'.repeat(1000));
  // Neither knows the other's last events.
  const [toBob, toAlice] = [alice.encodeSince(bob.version()), bob.encodeSince(alice.version())];
  assert.ok(toBob.length < 40, `${toBob.length} bytes`);
  const report = alice.merge(toAlice);
  assert.equal(report.applied, 1000);
  assert.equal(bob.merge(toBob).applied, 1);
  assert.equal(alice.getText(), bob.getText());
  assert.ok(alice.version().equals(bob.version()));
  assert.equal(bob.merge(toBob).applied, 0);
  // Where nothing is lacking, what is there is still named, so that another event under the same id is found.
  const nothing = alice.encodeSince(bob.version());
  // The version and a count; for the last event of each its agent's place, name, seq and digest.
  const heads = [['alice', 1], ['bob', 2]];
  const bytes = heads.reduce((sum, [agent, seq]) => sum + 1 + 1 + agent.length + seq + 4, 2);
  assert.equal(nothing.length, bytes);
  assert.equal(bob.merge(nothing).applied, 0);
});

test('versions are values, as bytes and as text', () => {
  const [alice, bob] = pair();
  const version = alice.version();
  for (const copy of [
    Version.fromBytes(version.toBytes()),
    Version.fromBytes(version.toBytes().buffer),
    Version.fromText(version.toText()),
    Version.fromText(JSON.parse(JSON.stringify(version))),
    Version.fromText(`${version}`),
  ]) {
    assert.ok(copy.equals(version));
    assert.deepEqual(copy.toBytes(), version.toBytes());
  }
  version.toBytes().fill(0);
  assert.ok(version.equals(bob.version()));
  assert.match(version.toText(), /^[\w-]+$/);
  assert.equal(version.equals('x'), false);
  alice.insert(0, 'A');
  bob.insert(0, 'B');
  assert.equal(version.equals(alice.version()), false);
  const expected = [
    [version, version, 'equal'],
    [version, alice.version(), 'before'],
    [alice.version(), version, 'after'],
    [alice.version(), bob.version(), 'concurrent'],
  ];
  for (const [a, b, standing] of expected) {
    assert.equal(alice.compare(a, b), standing);
  }
  const [first] = alice.history();
  assert.equal(alice.compare(first.version, version), 'equal');
  assert.equal(alice.compare(new Document().version(), version), 'before');
});

test('damaged bytes are refused, and change nothing', () => {
  const [alice, bob] = pair();
  alice.insert(3, 'more');
  const patch = alice.encodeSince(bob.version());
  const [version, anchor] = [alice.version().toBytes(), alice.anchorAt(2).toBytes()];
  const before = bob.getOperationsJson();
  const codes = new Set();
  for (const [bytes, read] of [
    [patch, (bytes) => bob.merge(bytes)],
    [version, (bytes) => Version.fromBytes(bytes)],
    [anchor, (bytes) => Anchor.fromBytes(bytes)],
  ]) {
    for (let end = 0; end < bytes.length; end += 1) {
      for (const damaged of [bytes.slice(0, end), bytes.with(end, bytes[end] ^ 0x40)]) {
        try {
          read(damaged);
        } catch (error) {
          codes.add(error.code);
        }
      }
    }
  }
  assert.ok(codes.has('bad_bytes') && !codes.has(undefined), [...codes].join());
  assert.equal(new Document().merge(patch).applied, 0, 'it waits for what it builds on');
  for (const bad of [undefined, null, 'text', 5, [1], {}]) {
    assert.equal(errorOf(() => bob.merge(bad)).code, 'bad_argument');
    assert.equal(errorOf(() => Version.fromBytes(bad)).code, 'bad_argument');
  }
  assert.equal(errorOf(() => Version.fromText('!')).code, 'bad_bytes');
  assert.equal(errorOf(() => Version.fromText(5)).code, 'bad_argument');
  assert.equal(errorOf(() => bob.encodeSince('x')).code, 'bad_argument');
  bob.free();
  assert.equal(errorOf(() => bob.version()).code, 'dead_handle');
  assert.equal(typeof before, 'string');
});

test('an id that comes back with other content is a conflict', () => {
  const [one, two] = [new Document('same'), new Document('same')];
  one.insert(0, 'one');
  two.insert(0, 'two');
  assert.equal(errorOf(() => one.merge(two.encodeSince())).code, 'conflicting_event');
  assert.equal(one.getText(), 'one');
});

test('the flat API has the same', () => {
  const [alice, bob] = [crdt.create_document('alice'), crdt.create_document('bob')];
  crdt.insert(alice, 0, 'Hello');
  const patch = crdt.encode_since(alice);
  assert.ok(patch instanceof Uint8Array);
  assert.equal(crdt.merge_bytes(bob, patch).applied, 5);
  assert.equal(crdt.merge_bytes(bob, patch).duplicate, 5);
  assert.equal(crdt.get_text(bob), 'Hello');
  const opened = crdt.open_document(crdt.save(bob, { prefer: 'size' }), 'carol');
  assert.equal(crdt.get_text(opened), 'Hello');
  const version = new Document().version();
  assert.deepEqual(crdt.encode_since(alice, version), patch);
  assert.deepEqual(crdt.encode_since(alice, version.toBytes()), patch);
  assert.equal(errorOf(() => crdt.encode_since(99_999)).code, 'dead_handle');
  assert.equal(errorOf(() => crdt.merge_bytes('x', patch)).code, 'bad_argument');
  assert.equal(errorOf(() => crdt.save(alice, { prefer: 'fame' })).code, 'bad_argument');
  assert.equal(errorOf(() => crdt.open_document(patch, 5)).code, 'bad_argument');
});

test('anchors are values, as bytes and as JSON', () => {
  const [alice, bob] = pair();
  const [right, left] = [alice.anchorAt(7), alice.anchorAt(7, 'left')];
  const sent = JSON.parse(JSON.stringify({ right }));
  alice.insert(7, 'NEW ');
  bob.insert(0, '> ');
  bob.merge(alice.encodeSince(bob.version()));
  for (const anchor of [right, Anchor.fromJSON(sent.right), Anchor.fromBytes(right.toBytes())]) {
    assert.equal(bob.positionOf(anchor), 13);
  }
  assert.equal(bob.positionOf(JSON.stringify(left)), 9);
  assert.equal(new Document().positionOf(right), null);
  assert.equal(crdt.anchor_position(bob.handle, JSON.stringify(right)), 13);
  for (const [call, code] of [
    [() => alice.anchorAt(99), 'out_of_bounds'],
    [() => alice.anchorAt(-1), 'bad_position'],
    [() => alice.anchorAt(0, 'up'), 'bad_argument'],
    [() => alice.positionOf('{'), 'bad_argument'],
    [() => alice.positionOf(5), 'bad_argument'],
    [() => Anchor.fromJSON({}), 'bad_argument'],
    [() => Anchor.fromJSON(undefined), 'bad_argument'],
    [() => Anchor.fromJSON(5n), 'bad_argument'],
    [() => Anchor.fromBytes(new Uint8Array([9])), 'bad_bytes'],
  ]) {
    assert.equal(errorOf(call).code, code);
  }
});

test('bytes that were transferred are said to be gone', () => {
  const [alice, bob] = pair();
  alice.insert(0, 'more ');
  const update = alice.encodeSince(bob.version());
  structuredClone(update, { transfer: [update.buffer] });
  const file = alice.save();
  structuredClone(file.buffer, { transfer: [file.buffer] });
  for (const act of [
    () => bob.merge(update),
    () => Document.open(file),
    () => Document.open(file.buffer),
    () => Version.fromBytes(update),
    () => Anchor.fromBytes(update),
  ]) {
    const { code, message } = errorOf(act);
    assert.equal(code, 'bad_argument', String(act));
    assert.match(message, /transferred/);
  }
  assert.equal(bob.getText(), 'one 😀 two');
});
