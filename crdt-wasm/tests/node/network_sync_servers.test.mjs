// Several signaling servers at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { server } from './fake_signaling.mjs';
import { pause, until, withReplicas } from './replica.mjs';

let count = 0;

/** Addresses of servers that no other test uses. */
function addresses(n) {
  count += 1;
  return Array.from({ length: n }, (_, i) => `ws://server-${count}-${i}.example`);
}

const LOCAL = { links: ['broadcast'], room: 'servers' };
const RELAYED = { links: ['relay'], room: 'servers', key: 'sixteen random bytes' };

const states = (replica) => replica.sync.getStatus().signaling.map(({ state }) => state);

test('a peer met through two servers is one peer', () =>
  withReplicas(['alice', 'bob'], LOCAL, async (a, b) => {
    const urls = addresses(2);
    await Promise.all([a.sync.connect(urls), b.sync.connect([...urls].reverse())]);
    await until(() => states(a).concat(states(b)).every((state) => state === 'connected'));
    a.type('once');
    await until(() => b.text === 'once');
    const status = a.sync.getStatus();
    assert.deepEqual(status.peers, ['bob']);
    assert.equal(status.links.length, 1);
    assert.equal(status.url, urls[0]);
    assert.deepEqual(status.signaling, [
      { url: urls[0], state: 'connected', error: null },
      { url: urls[1], state: 'connected', error: null },
    ]);
    assert.deepEqual(a.told('peers').length, 1, 'told once');
  }));

test('those who share one server meet, whatever else they name', () =>
  withReplicas(['alice', 'bob'], LOCAL, async (a, b) => {
    const [mine, ours, theirs] = addresses(3);
    await Promise.all([a.sync.connect([mine, ours]), b.sync.connect([ours, theirs])]);
    a.type('met');
    await until(() => b.text === 'met');
  }));

test('a server that ends takes nobody away whom another one knows', () =>
  withReplicas(['alice', 'bob'], RELAYED, async (a, b) => {
    const urls = addresses(2);
    await Promise.all([a.sync.connect(urls), b.sync.connect(urls)]);
    await until(() => states(a).concat(states(b)).every((state) => state === 'connected'));
    a.type('one ');
    await until(() => b.text === 'one ');
    const first = server(urls[0]);
    const second = server(urls[1]);
    assert.ok(first.relayed > 0, 'the first in the list carries the relay');
    first.down();
    a.type('two ');
    b.doc.insert(0, 'zero ');
    await until(() => a.text === b.text && a.text === 'zero one two ');
    assert.ok(second.relayed > 0, 'the other one does now');
    assert.deepEqual(a.peers, ['bob']);
    assert.equal(a.sync.getStatus().state, 'connected');
    assert.equal(a.sync.getStatus().url, urls[1]);
    assert.deepEqual(states(a), ['reconnecting', 'connected']);
    assert.equal(a.sync.getStatus().signaling[0].error.code, 'signaling_lost');
    first.up();
    await until(() => states(a).every((state) => state === 'connected'), 'it comes back');
    second.down();
    a.type('three');
    await until(() => b.text === 'zero one two three');
    assert.deepEqual(a.codes(), []);
  }));

test('one that cannot be reached at first is come back to, and connect needs but one', () =>
  withReplicas(['alice'], LOCAL, async (a) => {
    const urls = addresses(2);
    server(urls[0]).down();
    await a.sync.connect(urls);
    assert.equal(a.sync.getStatus().state, 'connected');
    await until(() => states(a)[0] === 'reconnecting');
    assert.equal(a.sync.getStatus().signaling[0].error.code, 'signaling_unreachable');
    server(urls[0]).up();
    await until(() => states(a)[0] === 'connected');
    assert.deepEqual(a.codes(), []);
  }));

test('when none can be reached, connect is refused and says so of each', () =>
  withReplicas(['alice'], LOCAL, async (a) => {
    const urls = addresses(3);
    urls.forEach((url) => server(url).down());
    await assert.rejects(a.sync.connect(urls), { code: 'signaling_unreachable' });
    const status = a.sync.getStatus();
    assert.equal(status.state, 'error');
    assert.deepEqual(
      status.signaling.map(({ error }) => error.code),
      Array(3).fill('signaling_unreachable'),
    );
    assert.equal(a.sync.doctor().stage, 'signaling');
  }));

test('a server that refuses is left alone, and told; the others carry on', () =>
  withReplicas(['alice', 'bob'], LOCAL, async (a, b) => {
    const urls = addresses(2);
    server(urls[0]).refuse = 'unauthorized';
    await Promise.all([a.sync.connect(urls), b.sync.connect(urls)]);
    await until(() => states(a)[0] === 'error');
    await until(() => a.codes().length > 0 || a.sync.getStatus().signaling[0].error !== null);
    a.type('met');
    await until(() => b.text === 'met');
    await pause(700);
    assert.equal(server(urls[0]).joins, 2, 'it is not tried again');
  }));

test('all lost, it goes on trying, and the links that stand are kept', () =>
  withReplicas(['alice', 'bob'], LOCAL, async (a, b) => {
    const urls = addresses(2);
    await Promise.all([a.sync.connect(urls), b.sync.connect(urls)]);
    await until(() => a.peers.length === 1 && b.peers.length === 1);
    await until(() => states(a).every((state) => state === 'connected'));
    urls.forEach((url) => server(url).down());
    await until(() => a.sync.getStatus().state === 'reconnecting');
    assert.equal(a.sync.getStatus().error.code, 'signaling_lost');
    a.type('by the bus');
    await until(() => b.text === 'by the bus');
    urls.forEach((url) => server(url).up());
    await until(() => states(a).every((state) => state === 'connected'));
    assert.equal(a.sync.getStatus().state, 'connected');
    assert.equal(a.sync.getStatus().error, null);
    assert.deepEqual(a.peers, ['bob']);
  }));

test('the page that the network comes back to tries at once', () =>
  withReplicas(['alice'], LOCAL, async (a) => {
    const [url] = addresses(1);
    await a.sync.connect(url);
    server(url).down();
    await until(() => a.sync.getStatus().state === 'reconnecting');
    server(url).up();
    globalThis.dispatchEvent?.(new Event('online'));
    await until(() => a.sync.getStatus().state === 'connected');
    assert.deepEqual(
      a.told('status').map(({ state }) => state),
      ['connecting', 'connected', 'reconnecting', 'connected'],
    );
  }));

test('the option names the servers where connect does not', async () => {
  const urls = addresses(2);
  await withReplicas(['alice'], { ...LOCAL, signaling: urls }, async (a) => {
    await a.sync.connect();
    assert.deepEqual(
      a.sync.getStatus().signaling.map(({ url }) => url),
      urls,
    );
    const [other] = addresses(1);
    await a.sync.connect(other);
    assert.deepEqual(
      a.sync.getStatus().signaling.map(({ url }) => url),
      [other],
    );
  });
});

test('lists of addresses are checked as a whole', () =>
  withReplicas(['alice'], LOCAL, async (a) => {
    const [url] = addresses(1);
    for (const bad of [5, {}, [5], [url, null], '']) {
      await assert.rejects(a.sync.connect(bad), (error) =>
        ['bad_argument', 'bad_url'].includes(error.code),
      );
    }
    await assert.rejects(a.sync.connect([url, 'http://example.org']), { code: 'bad_url' });
    assert.equal(a.sync.getStatus().state, 'disconnected');
    await a.sync.connect([url, url]);
    assert.equal(a.sync.getStatus().signaling.length, 1);
  }));
