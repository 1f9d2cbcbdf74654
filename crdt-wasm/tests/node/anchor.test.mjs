import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt, errorOf } from './package.mjs';

const { anchor_at, anchor_position, create_document, delete_range, insert } = crdt;

/** Everything that `from` has goes to `to`. */
function bring(from, to) {
  crdt.merge_operations(to, crdt.get_operations_json(from));
}

test('an anchor stays with its character, on every replica', () => {
  const [alice, bob] = [create_document('alice'), create_document('bob')];
  insert(alice, 0, 'one 😀 two');
  const before = anchor_at(alice, 7, 'right');
  const after = anchor_at(alice, 7, 'left');
  assert.equal(anchor_position(bob, before), null, 'the character is not there yet');

  bring(alice, bob);
  assert.equal(anchor_position(bob, before), 7);
  insert(bob, 7, 'NEW ');
  insert(bob, 0, '> ');
  bring(bob, alice);
  for (const handle of [alice, bob]) {
    assert.equal(anchor_position(handle, before), 13);
    assert.equal(anchor_position(handle, after), 9);
  }
  delete_range(bob, 9, 7);
  assert.equal(anchor_position(bob, before), 9, 'the gap that the character left');
});

test('the ends of the text have anchors too', () => {
  const handle = create_document('alice');
  const [start, end] = [anchor_at(handle, 0, 'left'), anchor_at(handle, 0, 'right')];
  insert(handle, 0, 'text');
  assert.equal(anchor_position(handle, start), 0);
  assert.equal(anchor_position(handle, end), 4);
});

test('a position inside a surrogate pair is the place before the pair', () => {
  const handle = create_document('alice');
  insert(handle, 0, 'a😀');
  assert.equal(anchor_position(handle, anchor_at(handle, 2, 'right')), 1);
});

test('what cannot be is refused, with a code', () => {
  const handle = create_document('alice');
  insert(handle, 0, 'ab');
  delete_range(handle, 0, 1);
  assert.equal(errorOf(() => anchor_at(handle, 2, 'left')).code, 'out_of_bounds');
  assert.equal(errorOf(() => anchor_at(handle, -1, 'left')).code, 'bad_argument');
  assert.equal(errorOf(() => anchor_at(handle, 0, 'up')).code, 'bad_argument');
  assert.equal(errorOf(() => anchor_at(99_999, 0, 'left')).code, 'dead_handle');
  for (const anchor of ["", "{", "[]", '{"char":["alice",-1],"bias":"left"}', null, 5]) {
    assert.equal(errorOf(() => anchor_position(handle, anchor)).code, 'bad_argument');
  }
  // That event deleted.
  const deletion = '{"char":["alice",2],"bias":"left"}';
  assert.equal(errorOf(() => anchor_position(handle, deletion)).code, 'bad_argument');
});
