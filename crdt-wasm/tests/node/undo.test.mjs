// The class `UndoManager`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt, errorOf } from './package.mjs';

const { Document, UndoManager } = crdt;

/** A document whose every edit is a step. */
function stepwise(options) {
  const doc = new Document();
  return [doc, new UndoManager(doc, { captureTimeout: 0, ...options })];
}

test('edits are undone and redone step by step', () => {
  const [doc, undo] = stepwise();
  assert.deepEqual([undo.canUndo, undo.canRedo, undo.undo(), undo.redo()], [false, false, null, null]);
  const texts = [''];
  for (const edit of [
    () => doc.insert(0, 'Hello 😀'),
    () => doc.delete(0, 6),
    () => doc.transact(() => {
      doc.insert(0, '>');
      doc.insert(doc.length, '<');
    }),
    () => crdt.insert(doc.handle, 0, 'flat'),
    () => doc.replace(0, 4, 'class'),
  ]) {
    edit();
    texts.push(doc.getText());
  }
  for (let i = texts.length - 2; i >= 0; i -= 1) {
    assert.equal(undo.canUndo, true);
    undo.undo();
    assert.equal(doc.getText(), texts[i]);
  }
  assert.deepEqual([undo.canUndo, undo.canRedo], [false, true]);
  for (const text of texts.slice(1)) {
    undo.redo();
    assert.equal(doc.getText(), text);
  }
  assert.deepEqual([undo.canUndo, undo.canRedo], [true, false]);
  undo.undo();
  doc.insert(0, 'x');
  assert.equal(undo.canRedo, false);
});

test('what follows closely is one step, until capturing is stopped', () => {
  const doc = new Document();
  const undo = new UndoManager(doc, { captureTimeout: 60_000 });
  for (const char of 'abc') doc.insert(doc.length, char);
  undo.stopCapturing();
  for (const char of 'def') doc.insert(doc.length, char);
  undo.undo();
  assert.equal(doc.getText(), 'abc');
  doc.insert(3, 'x');
  undo.undo();
  assert.equal(doc.getText(), 'abc');
  undo.undo();
  assert.equal(doc.getText(), '');
});

test('what others did stays', () => {
  const [doc, undo] = stepwise();
  const other = new Document();
  doc.insert(0, 'mine');
  other.merge(doc.encodeSince());
  other.insert(2, 'THEIRS');
  doc.merge(other.encodeSince(doc.version()));
  assert.deepEqual(undo.undo().changes, [
    { position: 8, deleted: 2, inserted: '' },
    { position: 0, deleted: 2, inserted: '' },
  ]);
  assert.equal(doc.getText(), 'THEIRS');
  undo.redo();
  assert.equal(doc.getText(), 'miTHEIRSne');
  other.merge(doc.encodeSince(other.version()));
  assert.equal(other.getText(), doc.getText());
  // Of a step that others undid nothing is left, and the one before it is undone.
  doc.insert(0, 'gone');
  other.merge(doc.encodeSince(other.version()));
  other.delete(0, 4);
  doc.merge(other.encodeSince(doc.version()));
  undo.undo();
  assert.equal(doc.getText(), 'THEIRS');
});

test('only tracked origins are undone', () => {
  const [doc, undo] = stepwise({ trackedOrigins: ['editor', null] });
  doc.insert(0, 'a');
  doc.transact(() => doc.insert(1, 'b'), 'import');
  doc.transact(() => doc.insert(2, 'c'), 'editor');
  assert.equal(doc.getText(), 'abc');
  undo.undo();
  doc.transact(() => doc.insert(0, '-'), 'import');
  assert.equal(undo.canRedo, true);
  undo.redo();
  assert.equal(doc.getText(), '-abc');
  undo.undo();
  undo.undo();
  assert.equal(doc.getText(), '-b');
  assert.equal(undo.undo(), null);
});

test('managers leave each other alone', () => {
  const doc = new Document();
  const [one, two] = ['one', 'two'].map(
    (origin) => new UndoManager(doc, { captureTimeout: 0, trackedOrigins: [origin] }),
  );
  const all = new UndoManager(doc, { captureTimeout: 0 });
  doc.transact(() => doc.insert(0, '1'), 'one');
  doc.transact(() => doc.insert(1, '2'), 'two');
  one.undo();
  assert.equal(doc.getText(), '2');
  two.undo();
  assert.equal(doc.getText(), '');
  assert.equal(two.canUndo, false);
  // Both steps are undone already: nothing is left of them.
  assert.equal(all.undo(), null);
});

test('events say what became of the text, and an undo is reported as an edit', () => {
  const [doc, undo] = stepwise();
  const heard = [];
  doc.on('change', ({ origin, local }) => heard.push(['document', origin === undo, local]));
  undo.on('change', (can) => heard.push(can));
  undo.on('undo', ({ changes }) => heard.push(['undo', changes]));
  undo.on('redo', ({ changes }) => heard.push(['redo', changes]));
  doc.insert(0, 'abc');
  undo.undo();
  undo.redo();
  assert.deepEqual(heard, [
    ['document', false, true],
    { canUndo: true, canRedo: false },
    ['document', true, true],
    ['undo', [{ position: 0, deleted: 3, inserted: '' }]],
    { canUndo: false, canRedo: true },
    ['document', true, true],
    ['redo', [{ position: 0, deleted: 0, inserted: 'abc' }]],
    { canUndo: true, canRedo: false },
  ]);
});

test('the selection comes back', () => {
  let selection = { anchor: 0, head: 0 };
  const [doc, undo] = stepwise({ getSelection: () => selection });
  const other = new Document();
  const edit = (anchor, head, text) => {
    selection = { anchor, head };
    doc.replace(Math.min(anchor, head), Math.abs(head - anchor), text);
    selection = { anchor: Math.min(anchor, head) + text.length, head: Math.min(anchor, head) + text.length };
  };
  edit(0, 0, 'Hello world');
  edit(11, 6, 'all');
  edit(5, 5, ',');
  const step = (kind) => {
    ({ selection } = undo[kind]());
    return selection;
  };
  assert.deepEqual(step('undo'), { anchor: 5, head: 5 });
  assert.deepEqual(step('undo'), { anchor: 11, head: 6 });
  assert.equal(doc.getText(), 'Hello world');
  step('redo');
  // Others' edits move it.
  other.merge(doc.encodeSince());
  other.insert(0, '>>> ');
  doc.merge(other.encodeSince(doc.version()));
  assert.equal(doc.getText(), '>>> Hello all');
  assert.deepEqual(step('undo'), { anchor: 15, head: 10 });
  // Where nobody says what is selected, it is what changed.
  const [plain, plainUndo] = stepwise();
  plain.insert(0, 'abc');
  plain.delete(1, 1);
  assert.deepEqual(plainUndo.undo().selection, { anchor: 1, head: 2 });
});

test('what cannot be is refused, with a code', () => {
  const [doc, undo] = stepwise();
  for (const options of [
    { captureTimeOut: 5 },
    { captureTimeout: -1 },
    { captureTimeout: 'x' },
    { trackedOrigins: 5 },
    { getSelection: 5 },
    5,
  ]) {
    assert.equal(errorOf(() => new UndoManager(doc, options)).code, 'bad_argument');
  }
  assert.equal(errorOf(() => new UndoManager(doc.handle)).code, 'bad_argument');
  assert.equal(errorOf(() => undo.on('undone', () => {})).code, 'bad_argument');
  doc.insert(0, 'x');
  assert.equal(errorOf(() => doc.transact(() => undo.undo())).code, 'document_busy');
  undo.destroy();
  undo.destroy();
  for (const call of [() => undo.undo(), () => undo.redo(), () => undo.canUndo, () => undo.stopCapturing()]) {
    assert.equal(errorOf(call).code, 'destroyed');
  }
  doc.insert(0, 'y');
  const later = new UndoManager(doc);
  doc.free();
  assert.equal(errorOf(() => later.undo()).code, 'dead_handle');
  assert.equal(errorOf(() => new UndoManager(doc)).code, 'dead_handle');
});
