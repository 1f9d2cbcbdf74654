// Servers at which no WebSocket can be opened.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answers, sessions } from './fake_event_streams.mjs';
import { server } from './fake_signaling.mjs';
import { until, withReplicas } from './replica.mjs';

const RELAYED = { links: ['relay'], room: 'streams', key: 'a key of 22 characters' };

const carriers = (replica) => replica.sync.getStatus().signaling.map(({ carrier }) => carrier);

test('an event stream stands in for a WebSocket, and loses nothing', () =>
  withReplicas(['alice', 'bob'], RELAYED, async (a, b) => {
    const url = 'ws://streams.example';
    const only = Object.assign(server(url), { breaksWebSockets: true, hasStreams: true });
    await Promise.all([a.sync.connect(url), b.sync.connect(url)]);
    a.type('one ');
    await until(() => b.text === 'one ');
    assert.deepEqual(carriers(a), ['event-stream']);
    const { detail } = a.sync.doctor().checks.find(({ stage }) => stage === 'signaling');
    assert.match(detail, /no WebSocket/);
    assert.ok(only.relayed > 0);

    for (const session of sessions.values()) session.break();
    answers.toLose = 2;
    a.type('two ');
    b.type('three');
    await until(() => a.text.length === 13 && a.text === b.text);
    assert.equal(answers.lost, 2);
    const large = 'x'.repeat(100_000);
    a.type(large);
    await until(() => b.text.length === 100_013);
    assert.deepEqual([...a.codes(), ...b.codes()], []);
    assert.equal(only.joins, 2, 'the sessions went on');

    // Once WebSockets get through, the next connection is one.
    only.breaksWebSockets = false;
    for (const session of [...sessions.values()]) session.end(1001);
    await until(() => [...carriers(a), ...carriers(b)].every((carrier) => carrier === undefined));
    await until(() => a.peers.length === 1 && b.peers.length === 1);
    a.type('!');
    await until(() => b.text === a.text);
  }));

test('a page that leaves closes its stream, and a server that is away is said to be away', () =>
  withReplicas(['alice'], RELAYED, async (a) => {
    const url = 'ws://streams-2.example';
    const only = Object.assign(server(url), { breaksWebSockets: true, hasStreams: true });
    await a.sync.connect(url);
    assert.equal(only.members.size, 1);
    a.sync.disconnect();
    await until(() => only.members.size === 0 && only.sockets.size === 0);
    only.hasStreams = false;
    await a.sync.connect(url);
    await until(() => a.sync.getStatus().signaling[0].error?.code === 'signaling_unreachable');
    only.hasStreams = true;
    await until(() => a.sync.getStatus().state === 'connected');
  }));
