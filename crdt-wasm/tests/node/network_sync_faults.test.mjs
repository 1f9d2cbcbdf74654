// What others do wrong: a peer by its messages, a signaling server, a relay without the key. Each is
// told by a typed event, and the rest goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { server } from './fake_signaling.mjs';
import { Replica, cable, pause, until, withReplicas } from './replica.mjs';

const HELLO = 0x01;
const PING = 0x05;

/** The end of a transport to `replica` that a test holds in hand: what comes, and a way to send. */
function byHand(replica) {
  const hand = { got: [], isOver: false };
  replica.sync.addTransport({
    start(callbacks) {
      hand.say = (bytes) => callbacks.receive(Uint8Array.from(bytes));
      callbacks.connect();
    },
    send(message) {
      hand.got.push(message);
    },
    stop() {
      hand.isOver = true;
    },
  });
  hand.first = (kind) => hand.got.find(([first]) => first === kind);
  return hand;
}

/** The hello of the replica as another session would say it: version, oldest, capabilities and answer come first. */
function helloOf(hand, change = () => {}) {
  const hello = Uint8Array.from(hand.first(HELLO));
  hello[5] ^= 0xff;
  change(hello);
  return hello;
}

test('a peer of a later version is reported as outdated, and so is the page that is behind', () =>
  withReplicas(['alice'], {}, async (a) => {
    const hand = byHand(a);
    await a.sync.connect();
    await until(() => hand.first(HELLO));
    hand.say(helloOf(hand, (hello) => hello.fill(9, 1, 3)));
    assert.deepEqual(
      a.told('outdated').map(({ side, ours, theirs }) => ({ side, ours, theirs })),
      [{ side: 'here', ours: 1, theirs: 9 }],
    );
    assert.equal(hand.isOver, true);
    assert.equal(a.sync.getStatus().transports[0].state, 'failed');
  }));

test('another text at the same version is reported as diverged', () =>
  withReplicas(['alice'], {}, async (a) => {
    a.type('one text');
    const hand = byHand(a);
    await a.sync.connect();
    await until(() => hand.first(HELLO));
    hand.say(helloOf(hand));
    // It pings once it is at rest, with the hash of its text at the end.
    const withText = () => hand.got.find((message) => message[0] === PING && message.length > 20);
    await until(withText);
    const ping = Uint8Array.from(withText());
    hand.say(ping);
    assert.deepEqual(a.told('diverged'), []);
    ping[ping.length - 1] ^= 1;
    hand.say(ping);
    // It asks for all that the peer has. Where nothing comes that differs, it reports that without an id.
    assert.deepEqual(a.told('diverged'), []);
    await pause(8_200);
    hand.say(ping);
    const [told, ...more] = a.told('diverged');
    assert.deepEqual(more, []);
    assert.equal(told.frontier, '[["alice",7]]');
    assert.notEqual(told.ours, told.theirs);
    assert.equal(told.peer, 'alice');
    assert.equal(told.id, null);
  }));

test('random, cut and damaged messages of a peer end its transport alone', () =>
  withReplicas(['alice', 'bob'], {}, async (a, b) => {
    const way = cable();
    a.sync.addTransport(way.ends[0]);
    b.sync.addTransport(way.ends[1]);
    await Promise.all([a.sync.connect(), b.sync.connect()]);
    a.type('sound ');
    await until(() => b.text === 'sound ');
    let state = 7;
    const random = (below) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let round = 0; round < 60; round += 1) {
      const hand = byHand(a);
      await until(() => hand.first(HELLO));
      if (round % 2 === 0) {
        hand.say(helloOf(hand));
      }
      for (let i = 0; i < 20 && !hand.isOver; i += 1) {
        const model = hand.got[random(hand.got.length)];
        const message = Uint8Array.from(
          random(3) === 0 ? { length: random(40) } : model.subarray(0, random(model.length + 1)),
        );
        if (message.length > 0) {
          message[random(message.length)] = random(256);
        }
        hand.say(message);
      }
    }
    const codes = new Set(a.codes());
    codes.delete('agent_in_use');
    assert.deepEqual([...codes], ['transport_failed']);
    b.type('and well');
    await until(() => a.text === 'sound and well');
    assert.deepEqual(b.codes(), []);
  }));

test('a flood of presence ends the transport that it comes by', () =>
  withReplicas(['alice'], {}, async (a) => {
    const hand = byHand(a);
    await a.sync.connect();
    await until(() => hand.first(HELLO));
    hand.say(helloOf(hand));
    const session = [1, 2, 3, 4, 5, 6, 7, 8];
    for (let i = 1; i < 1000 && !hand.isOver; i += 1) {
      // Presence: session, counter, base 0, an agent, no fields.
      hand.say([0x09, ...session, (i & 0x7f) | 0x80, (i >> 7) + 1, 0, 1, 0x78]);
    }
    assert.equal(hand.isOver, true);
    assert.match(a.sync.getStatus().transports[0].problem, /presence flood/);
  }));

test('what a signaling server says wrong is reported, and the connection lives', () =>
  withReplicas(['alice', 'bob'], { links: ['broadcast'], room: 'x' }, async (a, b) => {
    const url = 'ws://confused.example';
    await Promise.all([a.sync.connect(url), b.sync.connect(url)]);
    await until(() => a.peers.length === 1 && b.peers.length === 1);
    const [socket] = server(url).sockets;
    for (const nonsense of [
      5,
      null,
      {},
      { type: 'peer_list' },
      { type: 'peer_joined', peerId: '' },
      { type: 'peer_left', peerId: 7 },
      { type: 'relay', to: 'alice', payload: '!' },
      { type: 'offer', to: 'alice', from: 'nobody', offer: { sdp: 'no' } },
      { type: 'something later' },
      { type: 'error', code: 'never heard of', message: 'x' },
      'x'.repeat(1_000_000),
    ]) {
      socket.get(nonsense);
    }
    await pause();
    assert.ok(a.codes().length > 0);
    for (const code of a.codes()) {
      assert.ok(['signaling_unreadable', 'signaling_refused'].includes(code), code);
    }
    assert.equal(a.sync.getStatus().state, 'connected');
    a.type('still linked');
    await until(() => b.text === 'still linked');
  }));

test('a relay that changes messages, or a peer with another key, is reported and costs nothing else', async () => {
  const url = 'ws://relay.example';
  const options = (key) => ({ links: ['relay'], room: 'keys', key });
  const a = new Replica('alice', options('the key of the room, all of it'));
  const b = new Replica('bob', options('the key of the room, all of it'));
  const c = new Replica('carol', options('another key, and as long as that'));
  try {
    await a.sync.connect(url);
    await b.sync.connect(url);
    a.type('for two');
    await until(() => b.text === 'for two');
    await c.sync.connect(url);
    await until(() => a.codes().includes('relay_failed') && c.codes().includes('relay_failed'));
    assert.equal(c.text, '');
    assert.deepEqual(a.peers, ['bob']);
    const trouble = a.sync.getStatus().links.find(({ peer }) => peer === 'carol');
    assert.equal(trouble.problemStage, 'channel');
    b.type(', still');
    await until(() => a.text === 'for two, still');
  } finally {
    [a, b, c].forEach((replica) => replica.end());
  }
});

test('a peer that leaves without a word is let go when its server says so', () =>
  withReplicas(['alice', 'bob'], { links: ['relay'], room: 'x', key: 'a key of 22 characters' }, async (a, b) => {
    const url = 'ws://abrupt.example';
    await Promise.all([a.sync.connect(url), b.sync.connect(url)]);
    b.sync.setPresence('name', 'Bob');
    await until(() => a.told('presence').length > 0);
    const gone = [...server(url).sockets].find(({ agentId }) => agentId === 'bob');
    server(url).isUp = false;
    gone.end(1006);
    await until(() => a.peers.length === 0);
    assert.deepEqual(a.told('peers').at(-1), { peers: [], joined: [], left: ['bob'] });
    assert.equal(b.sync.getStatus().state, 'reconnecting');
    server(url).up();
    a.type('while away');
    await until(() => b.text === 'while away', 'it comes back by itself');
  }));

test('twelve pages of one browser link to their neighbours only, and converge', async () => {
  const url = 'ws://crowd.example';
  const names = Array.from({ length: 12 }, (_, i) => `page-${i}`);
  await withReplicas(names, { links: ['broadcast'], room: 'crowd' }, async (...all) => {
    for (const { sync } of all) {
      await sync.connect(url);
    }
    all.forEach((replica, i) => replica.doc.insert(0, `${i} `));
    const length = names.reduce((sum, _, i) => sum + `${i} `.length, 0);
    const isEqual = () =>
      all.every(({ text }) => text === all[0].text && text.length === length);
    await until(isEqual, 'all are equal');
    await until(() => all.every(({ peers }) => peers.length <= 6), 'superfluous links are let go');
    for (const { sync } of all) {
      const { links } = sync.getStatus();
      assert.equal(links.length, 11);
      for (const { state } of links) {
        assert.ok(['open', 'indirect'].includes(state), state);
      }
    }
    all[3].type('the end');
    await until(() => all.every(({ text }) => text.endsWith('the end')));
    all[5].sync.destroy();
    all[7].type('!');
    await until(() => all.every(({ text }, i) => i === 5 || text.endsWith('!')));
  });
});
