import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { crdt, entry, errorOf } from './package.mjs';

const { Document } = crdt;

/** Texts of every kind that goes in by a way of its own, and some at the borders between those. */
function texts() {
  const pieces = ['a', 'é', '字', '😀', '\0', '\ufeff', '\u2028', '"', '\\', '\n'];
  const found = [...pieces];
  for (const length of [2, 3, 47, 48, 49, 50, 65_535, 65_536, 65_537, 300_000]) {
    found.push('x'.repeat(length), `${'x'.repeat(length - 1)}字`, `😀${'x'.repeat(length - 1)}`);
  }
  found.push(pieces.join('').repeat(2000), '字'.repeat(48), '😀'.repeat(24));
  return found;
}

test('text of any length and kind goes in and comes out as it is', () => {
  const doc = new Document('alice');
  let whole = '';
  for (const text of texts()) {
    assert.deepEqual(doc.insert(0, text), { position: 0, deleted: 0, inserted: text });
    whole = text + whole;
    assert.ok(doc.getText() === whole, `${text.length} units from ${text.codePointAt(0)}`);
  }
  const other = new Document('bob');
  const report = other.mergeOperations(doc.getOperationsJson(), doc.getFrontierJson());
  assert.deepEqual(report.changes, [{ position: 0, deleted: 0, inserted: whole }]);
  assert.ok(other.getText() === whole);
  doc.free();
  other.free();
});

test('operations and a frontier of any length go in together', () => {
  const frontiers = ['[]', `[["${'字'.repeat(30)}",3]]`, `[["a",1]${' '.repeat(100_000)}]`];
  for (const text of ['short', '字'.repeat(30_000), 'x'.repeat(200_000)]) {
    for (const frontier of frontiers) {
      const [alice, bob] = [new Document('alice'), new Document('bob')];
      alice.insert(0, text);
      const { applied, missing } = bob.mergeOperations(alice.getOperationsJson(), frontier);
      assert.deepEqual([applied, missing], [text.length, JSON.parse(frontier)]);
      assert.ok(bob.getText() === text);
      alice.free();
      bob.free();
    }
  }
});

test('many documents may grow at once', () => {
  const docs = Array.from({ length: 20 }, (_, i) => new Document(`agent-${i}`));
  for (let round = 0; round < 10; round += 1) {
    for (const doc of docs) {
      doc.insert(0, 'a');
      doc.insert(1, 'é and more');
      doc.insert(0, 'x'.repeat(10_000));
    }
  }
  const expected = `${'x'.repeat(10_000)}aé and more`.repeat(10);
  for (const doc of docs) {
    assert.ok(doc.getText() === expected);
    doc.free();
  }
});

test('a zero is a zero, whatever its sign', () => {
  const doc = new Document('alice');
  assert.deepEqual(doc.insert(-0, 'abc'), { position: 0, deleted: 0, inserted: 'abc' });
  assert.deepEqual(doc.deleteRange(-0, -0), { position: 0, deleted: 0, inserted: '' });
  assert.deepEqual(doc.deleteRange(-0, 1), { position: 0, deleted: 1, inserted: '' });
  doc.free();
});

test('errors name what was given, and a dead handle comes first', () => {
  const doc = new Document('alice');
  doc.insert(0, 'abc');
  const refused = (call) => {
    const { code, message } = errorOf(call);
    return `${code}: ${message}`;
  };
  assert.match(refused(() => doc.insert(2 ** 40, 'x')), /^out_of_bounds: position 1099511627776 .*3/);
  assert.match(refused(() => doc.insert(9, 'x')), /^out_of_bounds: position 9 .*3/);
  assert.match(refused(() => doc.deleteRange(2, 2 ** 40)), /^out_of_bounds: .*1099511627778 .*3/);
  assert.match(refused(() => doc.deleteRange(2 ** 32 - 1, 1)), /^out_of_bounds: .*4294967296 .*3/);
  assert.match(refused(() => doc.insert(-1, 'x')), /^bad_position: position .*-1/);
  assert.match(refused(() => doc.deleteRange(0, NaN)), /^bad_position: length .*NaN/);
  assert.match(refused(() => doc.insert(1n, 'x')), /^bad_argument: position .*bigint/);
  assert.match(refused(() => doc.deleteRange(0, Symbol('s'))), /^bad_argument: length .*symbol/);
  assert.match(refused(() => doc.insert(0, null)), /^bad_argument: text .*null/);
  assert.match(refused(() => doc.mergeOperations('', 5)), /^bad_argument: frontier .*number/);
  assert.equal(doc.getText(), 'abc');
  doc.free();
  for (const call of [
    () => doc.insert(-1, 5),
    () => doc.deleteRange(null, 'x'),
    () => doc.getOperationsSinceJson(5),
    () => doc.mergeOperations(5),
  ]) {
    assert.equal(errorOf(call).code, 'dead_handle');
  }
});

test('the first thing read may be an empty text', () => {
  const script = `
    const { Document, initSync } = require(${JSON.stringify(entry)});
    initSync();
    if (new Document('alice').getText() !== '') throw new Error('not empty');`;
  execFileSync(process.execPath, ['-e', script], { stdio: 'inherit' });
});

test('before the module is loaded, calls say so', async () => {
  const { create_document } = await import('../../src/js/flat.js');
  const { Document: Unloaded } = await import('../../src/js/document.js');
  for (const call of [() => create_document('alice'), () => new Unloaded('alice')]) {
    assert.throws(call, /not loaded/);
  }
});
