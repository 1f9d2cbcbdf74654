// One suite for every way to a peer that Node can go: transports of the user's own, pages of one
// browser, the encrypted relay. WebRTC is in the end-to-end tests.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { server } from './fake_signaling.mjs';
import { crdt } from './package.mjs';
import { Replica, cable, pause, until, withReplicas } from './replica.mjs';

const URL = 'ws://localhost:1';
const KEY = 'a key of 22 characters';

/** A channel with a port for each end, as a user's own transport. */
function messagePorts() {
  const { port1, port2 } = new MessageChannel();
  const transport = (port) => ({
    start({ connect, receive }) {
      port.onmessage = ({ data }) => receive(data);
      connect();
    },
    send(bytes) {
      port.postMessage(bytes);
    },
    stop() {
      port.close();
    },
  });
  return [transport(port1), transport(port2)];
}

const byServer = (options) => ({
  options: { room: 'suite', ...options },
  join: async (a, b) => {
    await a.sync.connect(URL);
    await b.sync.connect(URL);
  },
});

const byTransports = (make) => ({
  options: {},
  join: async (a, b) => {
    const [one, other] = make();
    a.sync.addTransport(one);
    b.sync.addTransport(other);
    await Promise.all([a.sync.connect(), b.sync.connect()]);
  },
});

const KINDS = {
  'a transport of our own': { link: 'custom', ...byTransports(() => cable().ends) },
  'a transport over message ports': { link: 'custom', ...byTransports(messagePorts) },
  'the bus within a browser': { link: 'broadcast', ...byServer({ links: ['broadcast'] }) },
  'the relay': { link: 'relay', ...byServer({ links: ['relay'], key: KEY }) },
};

for (const [name, { link, options, join }] of Object.entries(KINDS)) {
  const together = (use) =>
    withReplicas(['alice', 'bob'], options, async (a, b) => {
      a.type('before ');
      b.type('they met ');
      await join(a, b);
      await until(() => a.text === b.text && a.text.length === 16, 'the first exchange');
      await use(a, b);
    });

  suite(name, () => {
    test('carries edits both ways, and says what it is', () =>
      together(async (a, b) => {
        a.type('alice');
        b.doc.insert(0, 'bob');
        await until(() => a.text === b.text && a.text.includes('alice') && a.text.includes('bob'));
        await until(() => a.told('synced').length > 0 && b.told('synced').length > 0);
        const arrived = ({ sync }) => sync.getStatus().links[0]?.ahead === 0;
        await until(() => arrived(a) && arrived(b), 'word of what has come');
        for (const [replica, peer] of [
          [a, 'bob'],
          [b, 'alice'],
        ]) {
          const status = replica.sync.getStatus();
          assert.deepEqual(status.peers, [peer]);
          assert.equal(status.state, 'connected');
          const [only, ...more] = status.links;
          assert.deepEqual(more, []);
          assert.equal(only.peer, peer);
          assert.equal(only.link, link);
          assert.equal(only.state, 'open');
          assert.equal(only.synced, true);
          assert.equal(only.behind, 0);
          assert.ok(only.bytesIn > 0 && only.bytesOut > 0);
          assert.equal(replica.sync.doctor().stage, null);
          assert.deepEqual(replica.codes(), []);
          assert.deepEqual(replica.told('peers')[0].joined, [peer]);
        }
      }));

    test('carries what is many windows long', () =>
      together(async (a, b) => {
        // Letters that no compression of ours would shorten.
        const long = Array.from({ length: 300_000 }, (_, i) =>
          String.fromCharCode(97 + ((i * 7919) % 26), 0x4e00 + ((i * 104_729) % 8000)),
        ).join('');
        a.type(long);
        b.type('short');
        await until(() => a.text === b.text && a.text.length === 16 + long.length + 5);
      }));

    test('carries presence, and takes it away at the end', () =>
      together(async (a, b) => {
        a.sync.setPresence('__proto__', { isAdmin: true });
        a.sync.setPresence('name', 'Alice');
        await until(() => b.told('presence').some(({ fields }) => fields.name === 'Alice'));
        // A name like any other.
        await until(() => b.told('presence').some(({ fields }) => Object.hasOwn(fields, '__proto__')));
        assert.ok(b.told('presence').every(({ fields }) => fields.isAdmin === undefined));
        a.sync.disconnect();
        await until(() => b.told('presence').some(({ peer, left }) => peer === 'alice' && left));
        await until(() => b.peers.length === 0);
        assert.equal(a.sync.getStatus().state, 'disconnected');
        b.type('alone');
        assert.equal(b.text.endsWith('alone'), true);
      }));

    test('destroy in the middle of a transfer harms nobody', () =>
      together(async (a, b) => {
        a.type('x'.repeat(500_000));
        a.sync.destroy();
        b.type('goes on');
        await until(() => b.peers.length === 0);
        assert.equal(b.text.endsWith('goes on'), true);
      }));
  });
}

test('a transport added while connected is used at once, and one taken away no longer', () =>
  withReplicas(['alice', 'bob'], {}, async (a, b) => {
    const first = cable();
    a.sync.addTransport(first.ends[0]);
    a.sync.addTransport(first.ends[0]);
    b.sync.addTransport(first.ends[1]);
    assert.deepEqual(a.sync.getStatus().transports, [
      { state: 'stopped', peer: null, problem: null },
    ]);
    await Promise.all([a.sync.connect(), b.sync.connect()]);
    a.type('one ');
    await until(() => b.text === 'one ');
    const second = cable();
    a.sync.addTransport(second.ends[0]);
    b.sync.addTransport(second.ends[1]);
    a.sync.removeTransport(first.ends[0]);
    assert.equal(first.ends[0].stops, 1);
    a.type('two ');
    await until(() => b.text === 'one two ');
    assert.deepEqual(b.sync.getStatus().transports, [
      { state: 'connecting', peer: null, problem: null },
      { state: 'open', peer: 'alice', problem: null },
    ]);
    assert.deepEqual(b.peers, ['alice']);
  }));

test('what is typed while the way is cut arrives once it is healed', () =>
  withReplicas(['alice', 'bob'], {}, async (a, b) => {
    const way = cable();
    a.sync.addTransport(way.ends[0]);
    b.sync.addTransport(way.ends[1]);
    await Promise.all([a.sync.connect(), b.sync.connect()]);
    for (let round = 0; round < 5; round += 1) {
      a.type(`a${round}`);
      way.cut();
      a.type(`-${round} `);
      b.doc.insert(0, `b${round} `);
      await until(() => a.peers.length === 0 && b.peers.length === 0);
      way.heal();
      await until(() => a.text === b.text && a.text.includes(`b${round}`), `round ${round}`);
    }
    assert.equal(a.text.length, b.text.length);
    for (let round = 0; round < 5; round += 1) {
      assert.equal(a.text.split(`a${round}-${round} `).length, 2, a.text);
    }
  }));

test('a line of transports converges, and its ends know each other not', () =>
  withReplicas(['alice', 'bob', 'carol'], {}, async (a, b, c) => {
    const [left, right] = [cable(), cable()];
    a.sync.addTransport(left.ends[0]);
    b.sync.addTransport(left.ends[1]);
    b.sync.addTransport(right.ends[0]);
    c.sync.addTransport(right.ends[1]);
    await Promise.all([a, b, c].map(({ sync }) => sync.connect()));
    a.type('from the left');
    c.doc.insert(0, 'from the right ');
    const all = 'from the right from the left'.length;
    await until(() => [a, b, c].every(({ text }) => text === b.text && text.length === all));
    assert.deepEqual(a.peers, ['bob']);
    assert.deepEqual(b.peers, ['alice', 'carol']);
  }));

test('a peer met by a transport and in the room is one peer', () =>
  withReplicas(['alice', 'bob'], { links: ['broadcast'], room: 'both' }, async (a, b) => {
    const way = cable();
    a.sync.addTransport(way.ends[0]);
    b.sync.addTransport(way.ends[1]);
    await Promise.all([a.sync.connect(URL), b.sync.connect(URL)]);
    await until(() => a.sync.getStatus().transports[0].peer === 'bob' && a.peers.length === 1);
    a.type('once');
    await until(() => b.text === 'once');
    assert.deepEqual(
      a.sync.getStatus().links.map(({ peer }) => peer),
      ['bob'],
    );
    // The other way takes over when one is gone.
    b.sync.removeTransport(way.ends[1]);
    b.type(' and again');
    await until(() => a.text === 'once and again');
    assert.equal(a.sync.getStatus().links[0].link, 'broadcast');
  }));

/** Two that are well beside a third, whose transport to the first misbehaves; both must not care. */
async function besideTrouble(trouble, check) {
  await withReplicas(['alice', 'bob'], {}, async (a, b) => {
    const way = cable();
    a.sync.addTransport(way.ends[0]);
    b.sync.addTransport(way.ends[1]);
    a.sync.addTransport(trouble(a));
    await Promise.all([a.sync.connect(), b.sync.connect()]);
    a.type('well ');
    await until(() => b.text === 'well ');
    await pause();
    await check(a);
    b.type('still');
    await until(() => a.text === 'well still');
    assert.deepEqual(b.codes(), []);
    a.sync.destroy();
    await until(() => b.peers.length === 0);
  });
}

const plain = { start() {}, send() {}, stop() {} };
const failed = (a) => assert.equal(a.codes()[0], 'transport_failed', a.codes().join());

test('functions that throw, or reject, are reported and tried again', async () => {
  const fail = () => {
    throw new Error('not today');
  };
  await besideTrouble(() => ({ ...plain, start: fail }), failed);
  await besideTrouble(() => ({ ...plain, start: async () => fail() }), failed);
  await besideTrouble(
    () => ({ ...plain, start: ({ connect }) => connect(), send: fail }),
    (a) => {
      failed(a);
      assert.match(a.told('error')[0].message, /send\(\) threw: not today/);
      assert.match(a.sync.getStatus().transports[1].problem, /not today/);
    },
  );
  await besideTrouble(
    () => ({ ...plain, start: ({ connect }) => connect(), send: async () => fail() }),
    failed,
  );
  await besideTrouble(() => ({ ...plain, stop: fail }), (a) => assert.deepEqual(a.codes(), []));
  let starts = 0;
  await besideTrouble(
    () => ({
      ...plain,
      start() {
        starts += 1;
        fail();
      },
    }),
    () => until(() => starts >= 3, 'it is started again'),
  );
});

test('garbage closes the link for good, with the reason', () =>
  besideTrouble(
    () => ({
      ...plain,
      start({ receive }) {
        receive(new Uint8Array([9, 9, 9]));
      },
    }),
    (a) => {
      failed(a);
      assert.equal(a.sync.getStatus().transports[1].state, 'failed');
      assert.equal(a.sync.doctor().stage, 'channel');
    },
  ));

test('what is no message is reported', async () => {
  for (const nonsense of [5, 'text', null, undefined, {}, [1, 2]]) {
    await besideTrouble(
      () => ({
        ...plain,
        start({ connect, receive }) {
          connect();
          receive(nonsense);
        },
      }),
      failed,
    );
  }
});

test('buffers and views of them are messages', () =>
  withReplicas(['alice', 'bob'], {}, async (a, b) => {
    const forms = [
      (bytes) => bytes,
      (bytes) => bytes.buffer,
      (bytes) => Buffer.concat([Buffer.from([1, 2]), bytes]).subarray(2),
      (bytes) => new DataView(bytes.buffer),
    ];
    for (const form of forms) {
      const { ends } = cable();
      const send = ends[0].send.bind(ends[0]);
      ends[0].send = (bytes) => send(form(bytes));
      a.sync.addTransport(ends[0]);
      b.sync.addTransport(ends[1]);
      await Promise.all([a.sync.connect(), b.sync.connect()]);
      a.type('+');
      await until(() => b.text === a.text);
      a.sync.removeTransport(ends[0]);
      b.sync.removeTransport(ends[1]);
    }
    assert.equal(b.text, '++++');
    assert.deepEqual([...a.codes(), ...b.codes()], []);
  }));

test('connecting twice, disconnecting inside every call, and talking after the end change nothing', async () => {
  let late;
  await besideTrouble(
    () => ({
      ...plain,
      start(callbacks) {
        late = callbacks;
        callbacks.connect();
        callbacks.connect();
        callbacks.disconnect();
        callbacks.disconnect();
        callbacks.connect();
      },
      send() {
        late.disconnect();
        late.drained();
      },
    }),
    (a) => assert.deepEqual(a.codes(), []),
  );
  late.connect();
  late.receive(new Uint8Array([1]));
  late.receive(5);
  late.drained();
  late.disconnect();
});

test('a transport may call anything inside its functions', async () => {
  let seen = 0;
  await besideTrouble(
    (a) => {
      const transport = {
        start({ connect }) {
          a.sync.addTransport(plain);
          connect();
        },
        send() {
          seen += 1;
          assert.equal(a.sync.getStatus().state, 'connected');
          assert.equal(a.sync.getStatus().transports.length, 3);
          if (seen === 1) {
            a.doc.insert(0, '');
            a.sync.removeTransport(transport);
          }
        },
        stop() {
          a.sync.removeTransport(plain);
        },
      };
      return transport;
    },
    (a) => {
      assert.ok(seen > 0);
      assert.equal(a.sync.getStatus().transports.length, 1);
      assert.deepEqual(a.codes(), []);
    },
  );
});

test('a transport that does not drain costs a window, and is given up by nobody else', async () => {
  let held = 0;
  await besideTrouble(
    () => ({
      start({ connect }) {
        connect();
      },
      send(message) {
        held += message.length;
      },
      stop() {},
      get bufferedAmount() {
        return held;
      },
    }),
    async (a) => {
      a.sync.setPresence('much', 'x'.repeat(10_000));
      await pause();
      assert.ok(held < 2 * 1024 * 1024, `${held}`);
      assert.equal(a.sync.getStatus().transports[1].state, 'open');
    },
  );
});

test('what is no transport is refused, and nothing is kept of it', () =>
  withReplicas(['alice'], {}, async (a) => {
    for (const bad of [undefined, null, 5, {}, { start() {} }, { ...plain, send: 5 }]) {
      assert.throws(() => a.sync.addTransport(bad), { code: 'bad_argument' });
    }
    assert.deepEqual(a.sync.getStatus().transports, []);
    await assert.rejects(a.sync.connect(), { code: 'bad_argument' });
  }));

test('the transports go on when no signaling server answers', () =>
  withReplicas(['alice', 'bob'], {}, async (a, b) => {
    const url = 'ws://nobody.example';
    server(url).down();
    const { ends } = cable();
    a.sync.addTransport(ends[0]);
    b.sync.addTransport(ends[1]);
    b.sync.connect();
    await a.sync.connect(url);
    assert.equal(a.sync.getStatus().state, 'reconnecting');
    a.type('still here');
    await until(() => b.text === 'still here');
    assert.deepEqual(a.peers, ['bob']);
  }));

test('disconnect stops the transports, and connect starts them again', () =>
  withReplicas(['alice', 'bob'], {}, async (a, b) => {
    const { ends } = cable();
    a.sync.addTransport(ends[0]);
    b.sync.addTransport(ends[1]);
    await Promise.all([a.sync.connect(), b.sync.connect()]);
    await until(() => a.peers.length === 1 && b.peers.length === 1);
    a.sync.disconnect();
    assert.equal(ends[0].stops, 1);
    a.type('meanwhile');
    await until(() => b.peers.length === 0);
    await a.sync.connect();
    await until(() => b.text === 'meanwhile');
    assert.equal(ends[0].starts, 2);
    const c = new Replica('carol');
    c.end();
    assert.deepEqual([...a.codes(), ...b.codes()], []);
  }));

test('a transport that edits another document while it sends finds its text in place', () =>
  withReplicas(['alice', 'bob'], {}, async (a, b) => {
    const other = new crdt.Document('aside');
    let edits = 0;
    const [one, two] = cable().ends;
    const send = one.send.bind(one);
    one.send = (message) => {
      other.insert(0, 'several chars, ');
      edits += 1;
      send(message);
    };
    a.sync.addTransport(one);
    b.sync.addTransport(two);
    await Promise.all([a.sync.connect(), b.sync.connect()]);
    await until(() => a.told('synced').length > 0, 'the first exchange');
    a.type('a text longer than that of the other document');
    await until(() => b.text === a.text, 'the edit');
    assert.equal(other.getText(), 'several chars, '.repeat(edits));
    other.free();
  }));
