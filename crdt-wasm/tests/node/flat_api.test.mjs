import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt, errorOf } from './package.mjs';

const {
  create_document,
  free_document,
  get_text,
  insert,
  delete_range,
  get_operations_json,
  get_operations_since_json,
  get_frontier_json,
  merge_operations,
} = crdt;

test('a text is written, changed and read', () => {
  const doc = create_document('alice');
  assert.deepEqual(insert(doc, 0, 'Hello world'), {
    position: 0,
    deleted: 0,
    inserted: 'Hello world',
  });
  assert.deepEqual(delete_range(doc, 5, 6), { position: 5, deleted: 6, inserted: '' });
  assert.equal(get_text(doc), 'Hello');
  free_document(doc);
});

test('operations are the canonical JSON', () => {
  const doc = create_document('alice');
  insert(doc, 0, 'Hi');
  assert.deepEqual(JSON.parse(get_frontier_json(doc)), [['alice', 1]]);
  assert.deepEqual(JSON.parse(get_operations_json(doc)), {
    v: 1,
    frontier: [['alice', 1]],
    txns: [{ agent: 'alice', seq: 0, parents: [], ops: [['i', 0, 'Hi']] }],
  });
  free_document(doc);
});

test('operations since a frontier are only what is new', () => {
  const alice = create_document('alice');
  const bob = create_document('bob');
  insert(alice, 0, 'one');
  merge_operations(bob, get_operations_json(alice));
  const seen = get_frontier_json(bob);
  insert(alice, 3, ' two');
  const news = get_operations_since_json(alice, seen);
  assert.doesNotMatch(news, /one/);
  assert.deepEqual(merge_operations(bob, news, get_frontier_json(alice)), {
    applied: 4,
    duplicate: 0,
    pending: 0,
    dropped: 0,
    missing: [],
    changes: [{ position: 3, deleted: 0, inserted: ' two' }],
  });
  assert.equal(get_text(bob), 'one two');
  free_document(alice);
  free_document(bob);
});

test('merging twice changes nothing and says so', () => {
  const alice = create_document('alice');
  const bob = create_document('bob');
  insert(alice, 0, 'text');
  const ops = get_operations_json(alice);
  assert.equal(merge_operations(bob, ops).applied, 4);
  const again = merge_operations(bob, ops, '');
  assert.equal(again.applied, 0);
  assert.equal(again.duplicate, 4);
  assert.deepEqual(again.changes, []);
  free_document(alice);
  free_document(bob);
});

test('operations whose parents are missing wait, and the report names what for', () => {
  const alice = create_document('alice');
  const bob = create_document('bob');
  insert(alice, 0, 'first');
  const first = get_operations_json(alice);
  const seen = get_frontier_json(alice);
  insert(alice, 5, ' second');
  const second = get_operations_since_json(alice, seen);

  const early = merge_operations(bob, second, get_frontier_json(alice));
  assert.equal(early.applied, 0);
  assert.equal(early.pending, 7);
  assert.deepEqual(early.missing, [
    ['alice', 4],
    ['alice', 11],
  ]);
  assert.equal(get_text(bob), '');

  const late = merge_operations(bob, first, seen);
  assert.equal(late.pending, 0);
  assert.deepEqual(late.missing, []);
  assert.equal(get_text(bob), 'first second');
  free_document(alice);
  free_document(bob);
});

test('the changes of a merge turn the old text into the new one', () => {
  const alice = create_document('alice');
  const bob = create_document('bob');
  insert(alice, 0, 'The quick fox 🦊 jumps.');
  merge_operations(bob, get_operations_json(alice));
  delete_range(alice, 4, 6);
  insert(alice, 0, 'So: ');
  insert(bob, get_text(bob).length, ' Twice.');
  insert(alice, get_text(alice).length - 1, ' high 🚀');
  let text = get_text(bob);
  const { changes } = merge_operations(bob, get_operations_json(alice));
  assert.ok(changes.length > 1);
  for (const { position, deleted, inserted } of changes) {
    text = text.slice(0, position) + inserted + text.slice(position + deleted);
  }
  assert.equal(text, get_text(bob));
  const positions = changes.map((change) => change.position);
  assert.deepEqual(positions, positions.toSorted((a, b) => b - a));
  free_document(alice);
  free_document(bob);
});

test('a dead handle is a typed error in every function', () => {
  const doc = create_document('alice');
  free_document(doc);
  const calls = {
    free_document: () => free_document(doc),
    get_text: () => get_text(doc),
    insert: () => insert(doc, 0, 'x'),
    delete_range: () => delete_range(doc, 0, 0),
    get_operations_json: () => get_operations_json(doc),
    get_operations_since_json: () => get_operations_since_json(doc, '[]'),
    get_frontier_json: () => get_frontier_json(doc),
    merge_operations: () => merge_operations(doc, '{}'),
  };
  for (const [name, call] of Object.entries(calls)) {
    assert.equal(errorOf(call).code, 'dead_handle', name);
  }
  for (const handle of [0, -1, 1.5, NaN, Infinity, 2 ** 40]) {
    assert.equal(errorOf(() => get_text(handle)).code, 'dead_handle', String(handle));
  }
  for (const handle of [undefined, null, '1', {}, Symbol('h'), 1n]) {
    assert.equal(errorOf(() => get_text(handle)).code, 'bad_argument', String(handle));
  }
});

test('a bad position or text is a typed error and leaves the text alone', () => {
  const doc = create_document('alice');
  insert(doc, 0, 'abc');
  const before = get_operations_json(doc);
  for (const bad of [NaN, -1, 0.5, Infinity, -Infinity, 2 ** 53]) {
    assert.equal(errorOf(() => insert(doc, bad, 'x')).code, 'bad_position', String(bad));
    assert.equal(errorOf(() => delete_range(doc, bad, 1)).code, 'bad_position', String(bad));
    assert.equal(errorOf(() => delete_range(doc, 0, bad)).code, 'bad_position', String(bad));
  }
  for (const [position, length] of [
    [4, 0],
    [0, 4],
    [3, 1],
    [2 ** 40, 1],
    [1, Number.MAX_SAFE_INTEGER],
  ]) {
    const { code } = errorOf(() => delete_range(doc, position, length));
    assert.equal(code, 'out_of_bounds', `${position}, ${length}`);
  }
  assert.equal(errorOf(() => insert(doc, 4, 'x')).code, 'out_of_bounds');
  assert.match(errorOf(() => insert(doc, 4, 'x')).message, /4.*3/);
  for (const bad of [undefined, null, 7, {}, ['x'], Symbol('s')]) {
    assert.equal(errorOf(() => insert(doc, 0, bad)).code, 'bad_argument', String(bad));
  }
  assert.equal(errorOf(() => insert(doc, '0', 'x')).code, 'bad_argument');
  assert.equal(get_operations_json(doc), before);
  insert(doc, 3, 'd');
  assert.equal(get_text(doc), 'abcd');
  free_document(doc);
});

test('broken operations are a typed error and leave the document alone', () => {
  const doc = create_document('alice');
  insert(doc, 0, 'abc');
  const before = get_operations_json(doc);
  const good = get_operations_json(doc);
  const broken = [
    '',
    'null',
    '[]',
    '{}',
    '{"v":1}',
    good.slice(0, -1),
    good.slice(0, 20),
    good.replace('"v":1', '"v":99'),
    good.replace('"seq":0', '"seq":-1'),
    good.replace('"seq":0', '"seq":99999999999'),
    good.replace('["i",0', '["z",0'),
    good.replace('"parents":[]', '"parents":[["x"]]'),
    '['.repeat(100_000),
  ];
  for (const ops of broken) {
    assert.equal(typeof errorOf(() => merge_operations(doc, ops)).code, 'string', ops.slice(0, 60));
  }
  for (const frontier of ['nonsense', '{}', '[["alice"]]', '[[1,2]]', '[["alice",-1]]']) {
    assert.equal(
      typeof errorOf(() => merge_operations(doc, good, frontier)).code,
      'string',
      frontier,
    );
    assert.equal(
      typeof errorOf(() => get_operations_since_json(doc, frontier)).code,
      'string',
      frontier,
    );
  }
  assert.equal(errorOf(() => merge_operations(doc, { ops: [] })).code, 'bad_argument');
  assert.equal(get_operations_json(doc), before);
  insert(doc, 3, 'd');
  assert.equal(get_text(doc), 'abcd');
  free_document(doc);
});

test('an id that comes back with other content is a typed error', () => {
  const mine = create_document('alice');
  const other = create_document('alice');
  const bob = create_document('bob');
  insert(mine, 0, 'mine');
  insert(other, 0, 'else');
  merge_operations(bob, get_operations_json(mine));
  const before = get_operations_json(bob);
  const error = errorOf(() => merge_operations(bob, get_operations_json(other)));
  assert.equal(error.code, 'conflicting_event');
  assert.match(error.message, /alice/);
  assert.equal(get_operations_json(bob), before);
  for (const doc of [mine, other, bob]) {
    free_document(doc);
  }
});

test('a name that is none is a typed error', () => {
  for (const bad of ['', 'x'.repeat(129)]) {
    assert.equal(typeof errorOf(() => create_document(bad)).code, 'string');
  }
  for (const bad of [undefined, null, 5, {}]) {
    assert.equal(errorOf(() => create_document(bad)).code, 'bad_argument');
  }
  const doc = create_document('字😀');
  insert(doc, 0, 'x');
  assert.deepEqual(JSON.parse(get_frontier_json(doc)), [['字😀', 0]]);
  free_document(doc);
});
