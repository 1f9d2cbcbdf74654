import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt } from './package.mjs';

/** Numbers from a seed, the same everywhere. */
function random(seed) {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

const PIECES = ['a', 'word ', '\n', 'é', '字', '😀', '👩‍👩‍👧', 'x'.repeat(40)];

function applyChanges(text, changes) {
  for (const { position, deleted, inserted } of changes) {
    text = text.slice(0, position) + inserted + text.slice(position + deleted);
  }
  return text;
}

/** One story of some replicas that edit and merge at random; a mirror checks every report. */
function story(seed) {
  const below = random(seed);
  const replicas = Array.from({ length: 2 + below(4) }, (_, index) => ({
    doc: new crdt.Document(`agent-${index}`),
    mirror: '',
  }));
  const pull = (to, from) => {
    const whole = below(4) === 0;
    const ops = whole
      ? from.doc.getOperationsJson()
      : from.doc.getOperationsSinceJson(to.doc.getFrontierJson());
    const report = to.doc.mergeOperations(ops, from.doc.getFrontierJson());
    assert.deepEqual(report.missing, []);
    to.mirror = applyChanges(to.mirror, report.changes);
    assert.equal(to.doc.getText(), to.mirror);
  };
  for (let step = 0; step < 60; step += 1) {
    const replica = replicas[below(replicas.length)];
    const { length } = replica.mirror;
    const at = below(length + 1);
    const kind = below(10);
    if (kind < 5) {
      replica.mirror = applyChanges(replica.mirror, [
        replica.doc.insert(at, PIECES[below(PIECES.length)]),
      ]);
    } else if (kind < 7) {
      replica.mirror = applyChanges(replica.mirror, [
        replica.doc.deleteRange(at, below(Math.min(length - at, 12) + 1)),
      ]);
    } else {
      pull(replica, replicas[below(replicas.length)]);
    }
    assert.equal(replica.doc.getText(), replica.mirror);
  }
  for (let round = 0; round < 2; round += 1) {
    for (const to of replicas) {
      for (const from of replicas) {
        pull(to, from);
      }
    }
  }
  const [first] = replicas;
  for (const { doc } of replicas) {
    assert.equal(doc.getText(), first.doc.getText());
    assert.equal(doc.getOperationsJson(), first.doc.getOperationsJson());
    assert.equal(doc.getFrontierJson(), first.doc.getFrontierJson());
  }
  for (const { doc } of replicas) {
    doc.free();
  }
}

test('documents that edit and merge at random converge, and every report is exact', () => {
  const start = Number(process.env.SEED ?? 1);
  for (let seed = start; seed < start + 300; seed += 1) {
    try {
      story(seed);
    } catch (error) {
      error.message = `SEED=${seed}: ${error.message}`;
      throw error;
    }
  }
});
