// Keys of rooms: what follows from them, and who may write.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import './fake_signaling.mjs';
import { crdt } from './package.mjs';
import { Replica, pause, until } from './replica.mjs';

const { Document, NetworkSync } = crdt;

// As crdt-peer/src/seal.rs has them: native members and pages derive the same.
const KEY = 'kkkkkkkkkkkkkkkkkkkkkk';
const ROOM = 'room 1';
const READ_KEY = 'rqFi_pBYtD8X1tgI2FaFxzyliOxe5pihLid8EEWauO91lqrtitVenfXY35BxGNGK';
const AT_SERVER = '59f1a46678bd3113f3f8c9f84a453bc3';

test('a new key is 16 random bytes', () => {
  const [one, other] = [NetworkSync.newKey(), NetworkSync.newKey()];
  assert.match(one, /^[\w-]{22}$/);
  assert.notEqual(one, other);
});

test('what a read-only link holds, and the name at the server, follow from the key and the name', async () => {
  assert.equal(await NetworkSync.readKey(KEY, ROOM), READ_KEY);
  for (const secret of [{ key: KEY }, { readKey: READ_KEY }]) {
    assert.equal(await NetworkSync.roomAtServer({ room: ROOM, ...secret }), AT_SERVER);
  }
  assert.notEqual(await NetworkSync.readKey(KEY, 'room 2'), READ_KEY);
  assert.notEqual(await NetworkSync.roomAtServer({ room: 'room 2', key: KEY }), AT_SERVER);
});

test('bad arguments are typed errors', async () => {
  await assert.rejects(NetworkSync.readKey('short', ROOM), { code: 'weak_key' });
  await assert.rejects(NetworkSync.readKey(5, ROOM), { code: 'bad_argument' });
  await assert.rejects(NetworkSync.readKey(KEY, 'a\nb'), { code: 'bad_id' });
  await assert.rejects(NetworkSync.roomAtServer({ room: ROOM }), { code: 'bad_argument' });
  await assert.rejects(NetworkSync.roomAtServer({ room: ROOM, readKey: 'x' }), { code: 'bad_argument' });
  await assert.rejects(NetworkSync.roomAtServer({ room: ROOM, key: '' }), { code: 'weak_key' });
});

test('what is left of a link that was cut short opens no room without a key', () => {
  const open = (secret) => {
    const doc = new Document();
    return () => new NetworkSync(doc.handle, doc.agentId, { room: ROOM, ...secret });
  };
  assert.throws(open({ key: '' }), { code: 'weak_key' });
  assert.throws(open({ readKey: '' }), { code: 'bad_argument' });
  assert.throws(open({ key: KEY, readKey: '' }), { code: 'bad_argument' });
  assert.throws(open({ key: '', readKey: READ_KEY }), { code: 'bad_argument' });
  // With white space around it, as copied text may have, it would be the key of another room.
  for (const key of [`${KEY} `, `${KEY}\n`, ` ${KEY}`]) assert.throws(open({ key }), { code: 'bad_argument' });
});

for (const link of ['broadcast', 'relay']) {
  test(`a reader follows by the link ${link}, and what it edits stays with it`, async () => {
    const url = `ws://readers-by-${link}.example`;
    const options = { links: [link], room: ROOM };
    const a = new Replica('alice', { ...options, key: KEY });
    const r = new Replica('rita', { ...options, readKey: READ_KEY });
    try {
      assert.equal(r.sync.getStatus().readOnly, true);
      await Promise.all([a.sync.connect(url), r.sync.connect(url)]);
      a.type('read this');
      await until(() => r.text === 'read this');
      assert.equal(a.sync.getStatus().links[0].readOnly, true);
      assert.equal(r.sync.getStatus().links[0].readOnly, false);
      r.type(' mine');
      a.type('!');
      await until(() => r.text.includes('!'));
      await pause();
      assert.equal(a.text, 'read this!');
      assert.deepEqual(a.codes(), []);
    } finally {
      [a, r].forEach((replica) => replica.end());
    }
  });
}

test('where nothing can be encrypted, a room with a key is refused', async () => {
  const { subtle } = crypto;
  Object.defineProperty(crypto, 'subtle', { value: undefined, configurable: true });
  const a = new Replica('alice', { links: ['broadcast'], room: ROOM, key: KEY });
  try {
    await assert.rejects(a.sync.connect('ws://insecure.example'), { code: 'cipher_unavailable' });
    assert.equal(a.sync.getStatus().state, 'error');
    assert.equal(a.sync.doctor().stage, 'environment');
    await assert.rejects(NetworkSync.readKey(KEY, ROOM), { code: 'cipher_unavailable' });
  } finally {
    Object.defineProperty(crypto, 'subtle', { value: subtle, configurable: true });
    a.end();
  }
});
