import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt, errorOf } from './package.mjs';

const { Document, NetworkSync } = crdt;

/** A document and its sync, passed to `use`, and ended after. */
async function withSync(use, options) {
  const doc = new Document('alice');
  const sync = new NetworkSync(doc.handle, 'alice', options);
  try {
    await use(sync, doc);
  } finally {
    sync.destroy();
    doc.free();
  }
}

/** Operations that insert `text` at the start, by someone else. */
function remoteInsert(doc, text, agent = 'bob') {
  const other = new Document(agent);
  other.mergeOperations(doc.getOperationsJson());
  other.insert(0, text);
  const ops = other.getOperationsSinceJson(doc.getFrontierJson());
  other.free();
  return ops;
}

test('without WebRTC connect is refused with a typed error, and nothing else breaks', () =>
  withSync(async (sync, doc) => {
    await assert.rejects(sync.connect('ws://localhost:1'), {
      name: 'CrdtError',
      code: 'webrtc_unavailable',
    });
    assert.equal(sync.getStatus().connected, false);
    sync.broadcastOperations();
    sync.disconnect();
    doc.insert(0, 'still works');
    assert.equal(doc.getText(), 'still works');
  }));

test('the status of a sync that was never connected', () =>
  withSync(
    (sync) => {
      assert.deepEqual(sync.getStatus(), {
        connected: false,
        peers: [],
        state: 'disconnected',
        agentId: 'alice',
        room: 'plans',
        url: null,
        signaling: [],
        error: null,
        readOnly: false,
        saved: null,
        kept: {
          ahead: null,
          skipped: 0,
          problem: 'the room has no key, so that nothing can be left at a server',
        },
        shared: [],
        relayOff: null,
        links: [],
        transports: [],
        openConnections: 0,
      });
    },
    { room: 'plans' },
  ));

test('bad arguments are typed errors', async () => {
  const doc = new Document('alice');
  const make = (...args) => errorOf(() => new NetworkSync(...args)).code;
  assert.equal(make(999_999, 'alice'), 'dead_handle');
  assert.equal(make('1', 'alice'), 'bad_argument');
  assert.equal(make(doc.handle), 'bad_argument');
  assert.equal(make(doc.handle, ''), 'bad_id');
  assert.equal(make(doc.handle, 'a\nb'), 'bad_id');
  assert.equal(make(doc.handle, 'x'.repeat(129)), 'bad_id');
  // As U+FFFD, these would be one; U+FFFD itself is a character like any other.
  for (const half of ['a\ud800', 'a\udc00', '\ufffd\ud800']) {
    assert.equal(make(doc.handle, half), 'bad_argument');
    assert.equal(make(doc.handle, 'alice', { room: half }), 'bad_argument');
  }
  new NetworkSync(doc.handle, 'a\ufffdb', { room: '\ufffd' }).destroy();
  assert.equal(make(doc.handle, 'alice', 5), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { room: 7 }), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { room: 'x'.repeat(129) }), 'bad_id');
  assert.equal(make(doc.handle, 'alice', { iceServers: 'stun:x' }), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { iceServers: [{}] }), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { links: 'relay' }), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { links: ['pigeon'] }), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { key: 5 }), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { key: 'x'.repeat(21) }), 'weak_key');
  assert.equal(make(doc.handle, 'alice', { readKey: 'r'.repeat(63) }), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { readKey: 5 }), 'bad_argument');
  const both = { key: 'x'.repeat(22), readKey: 'r'.repeat(64) };
  assert.equal(make(doc.handle, 'alice', both), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { readOnly: 1 }), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { token: {} }), 'bad_argument');
  assert.equal(make(doc.handle, 'alice', { rom: 'garden' }), 'bad_argument');
  const misspelt = errorOf(() => new NetworkSync(doc.handle, 'alice', { rom: 'garden' }));
  assert.match(misspelt.message, /no option rom: there are room, signaling, /);
  const sync = new NetworkSync(doc.handle, 'alice', {
    links: ['webrtc'],
    key: 'a secret of 22 letters, or more',
    token: 'a token',
    iceServers: [{ urls: 'stun:stun.example.org' }, { urls: ['turn:turn.example.org'] }],
  });
  assert.equal(errorOf(() => sync.on('nothing', () => {})).code, 'bad_argument');
  assert.equal(errorOf(() => sync.on('status', 'no function')).code, 'bad_argument');
  assert.equal(errorOf(() => sync.onChange(5)).code, 'bad_argument');
  assert.equal(errorOf(() => sync.setTextChangeCallback({})).code, 'bad_argument');
  await assert.rejects(sync.connect(), { code: 'bad_argument' });
  sync.destroy();
  doc.free();
});

test('a merge is reported to every kind of listener, at once and in UTF-16 units', () =>
  withSync((sync, doc) => {
    const seen = [];
    sync.setTextChangeCallback((text) => seen.push(['text', text]));
    sync.onChange((changes) => seen.push(['onChange', changes]));
    sync.on('change', (changes) => seen.push(['change', changes]));
    doc.insert(0, '😀 end');
    assert.deepEqual(seen, [], 'own edits are not reported');
    doc.mergeOperations(remoteInsert(doc, 'start 🦊 '));
    const changes = [{ position: 0, deleted: 0, inserted: 'start 🦊 ' }];
    assert.deepEqual(seen, [
      ['onChange', changes],
      ['change', changes],
      ['text', 'start 🦊 😀 end'],
    ]);
    seen.length = 0;
    doc.mergeOperations(doc.getOperationsJson());
    assert.deepEqual(seen, [], 'what is known already is no change');
    sync.setTextChangeCallback(null);
    sync.onChange(null);
    doc.mergeOperations(remoteInsert(doc, 'x', 'carol'));
    assert.deepEqual(
      seen.map(([kind]) => kind),
      ['change'],
    );
  }));

test('a listener may call anything, even what ends the sync and the document', () =>
  withSync((sync, doc) => {
    let calls = 0;
    sync.onChange(() => {
      calls += 1;
      doc.insert(0, 'from inside ');
      sync.getStatus();
      sync.disconnect();
      sync.destroy();
      sync.free();
      doc.free();
    });
    const ops = remoteInsert(doc, 'x');
    doc.mergeOperations(ops);
    assert.equal(calls, 1);
    assert.equal(errorOf(() => doc.getText()).code, 'dead_handle');
  }));

test('a merge inside a listener is reported after it, in order', () =>
  withSync((sync, doc) => {
    const order = [];
    const second = remoteInsert(doc, 'second ', 'carol');
    sync.onChange(([{ inserted }]) => {
      order.push(`begin ${inserted.trim()}`);
      if (inserted.startsWith('first')) {
        doc.mergeOperations(second);
      }
      order.push(`end ${inserted.trim()}`);
    });
    doc.mergeOperations(remoteInsert(doc, 'first '));
    assert.deepEqual(order, ['begin first', 'end first', 'begin second', 'end second']);
  }));

test('what one listener throws does not keep the others from hearing', () =>
  withSync((sync, doc) => {
    const reported = [];
    const { error: original } = console;
    console.error = (thrown) => reported.push(thrown.message);
    try {
      sync.on('change', () => {
        throw new Error('a listener failed');
      });
      let heard = 0;
      const listener = () => {
        heard += 1;
      };
      sync.on('change', listener);
      sync.on('change', listener);
      doc.mergeOperations(remoteInsert(doc, 'x'));
      assert.equal(heard, 1);
      sync.off('change', listener);
      doc.mergeOperations(remoteInsert(doc, 'y', 'carol'));
      assert.equal(heard, 1);
      const stop = sync.on('change', listener);
      stop();
      stop();
      doc.mergeOperations(remoteInsert(doc, 'z', 'dave'));
      assert.equal(heard, 1);
      assert.deepEqual(reported, Array(3).fill('a listener failed'));
    } finally {
      console.error = original;
    }
  }));

test('after destroy every call that would have an effect is refused', () =>
  withSync(async (sync, doc) => {
    let heard = 0;
    sync.on('change', () => {
      heard += 1;
    });
    sync.destroy();
    sync.destroy();
    sync.free();
    doc.mergeOperations(remoteInsert(doc, 'x'));
    assert.equal(heard, 0);
    await assert.rejects(sync.connect('ws://localhost:1'), { code: 'destroyed' });
    const transport = { start() {}, send() {}, close() {} };
    for (const call of [
      () => sync.setPresence('name', 'Ada'),
      () => sync.addTransport(transport),
      () => sync.removeTransport(transport),
      () => sync.on('change', () => {}),
      () => sync.onChange(() => {}),
      () => sync.setTextChangeCallback(() => {}),
    ]) {
      assert.equal(errorOf(call).code, 'destroyed');
    }
    sync.disconnect();
    assert.equal(sync.getStatus().state, 'disconnected');
  }));

test('a freed document refuses to connect', () =>
  withSync(async (sync, doc) => {
    doc.free();
    await assert.rejects(sync.connect('ws://localhost:1'), { code: 'dead_handle' });
  }));

test('the doctor names what this environment lacks', () =>
  withSync((sync) => {
    const diagnosis = sync.doctor();
    assert.equal(diagnosis.stage, 'environment');
    assert.equal(typeof diagnosis.advice, 'string');
    assert.deepEqual(
      diagnosis.checks.map((check) => check.stage),
      ['environment', 'signaling', 'room', 'offer', 'ice', 'channel', 'sync'],
    );
  }));
