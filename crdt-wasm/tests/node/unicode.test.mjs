import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt, errorOf } from './package.mjs';

const { create_document, free_document, get_text, insert, delete_range } = crdt;

/** A fresh document with `text`, passed to `use` and freed after. */
function withText(text, use) {
  const doc = create_document('alice');
  insert(doc, 0, text);
  use(doc);
  free_document(doc);
}

test('positions are UTF-16 code units', () => {
  withText('a😀é字', (doc) => {
    insert(doc, 'a😀'.length, '|');
    assert.equal(get_text(doc), 'a😀|é字');
    delete_range(doc, 1, '😀|'.length);
    assert.equal(get_text(doc), 'aé字');
  });
});

test('an insertion inside a surrogate pair goes before it and says so', () => {
  withText('a😀b', (doc) => {
    assert.deepEqual(insert(doc, 2, 'x'), { position: 1, deleted: 0, inserted: 'x' });
    assert.equal(get_text(doc), 'ax😀b');
  });
});

test('a deletion that touches half a pair takes the pair and says so', () => {
  for (const [position, length, expected, left] of [
    [1, 1, { position: 1, deleted: 2, inserted: '' }, 'ab'],
    [2, 1, { position: 1, deleted: 2, inserted: '' }, 'ab'],
    [0, 2, { position: 0, deleted: 3, inserted: '' }, 'b'],
    [2, 2, { position: 1, deleted: 3, inserted: '' }, 'a'],
    [2, 0, { position: 1, deleted: 0, inserted: '' }, 'a😀b'],
  ]) {
    withText('a😀b', (doc) => {
      assert.deepEqual(delete_range(doc, position, length), expected);
      assert.equal(get_text(doc), left);
    });
  }
});

test('lone surrogates become U+FFFD and the report has the current text', () => {
  for (const [given, kept] of [
    ['\ud83d', '\ufffd'],
    ['\ude00', '\ufffd'],
    ['a\ud83db', 'a\ufffdb'],
    ['\ude00\ud83d', '\ufffd\ufffd'],
    ['字\ud83d😀', '字\ufffd😀'],
  ]) {
    const doc = create_document('alice');
    assert.deepEqual(insert(doc, 0, given), { position: 0, deleted: 0, inserted: kept });
    assert.equal(get_text(doc), kept);
    free_document(doc);
  }
});

test('control characters, NUL and combining marks pass unchanged', () => {
  const text = '\0\u0001\r\n\t\u202e e\u0301 👩‍👩‍👧‍👦 \ufeff\uffff';
  withText(text, (doc) => assert.equal(get_text(doc), text));
});

test('the end of the text is counted in units', () => {
  withText('😀', (doc) => {
    assert.equal(errorOf(() => insert(doc, 3, 'x')).code, 'out_of_bounds');
    insert(doc, 2, 'x');
    assert.equal(get_text(doc), '😀x');
  });
});
