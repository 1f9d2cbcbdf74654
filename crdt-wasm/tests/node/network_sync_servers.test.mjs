// Several signaling servers at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { opened, page, server } from './fake_signaling.mjs';
import { cable, pause, until, withReplicas } from './replica.mjs';

let count = 0;

/** Addresses of servers that no other test uses. */
function addresses(n) {
  count += 1;
  return Array.from({ length: n }, (_, i) => `ws://server-${count}-${i}.example`);
}

const LOCAL = { links: ['broadcast'], room: 'servers' };
const RELAYED = { links: ['relay'], room: 'servers', key: 'a key of 22 characters' };

/** What is said of a server that was there: it was lost, or since then could not be reached again. */
const AWAY = ['signaling_lost', 'signaling_unreachable'];

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
    assert.ok(AWAY.includes(a.sync.getStatus().signaling[0].error.code));
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

test('when none can be reached, it goes on trying and says so of each', () =>
  withReplicas(['alice', 'bob'], LOCAL, async (a, b) => {
    const urls = addresses(3);
    urls.forEach((url) => server(url).down());
    await Promise.all([a.sync.connect(urls), b.sync.connect(urls)]);
    const status = a.sync.getStatus();
    assert.equal(status.state, 'reconnecting');
    assert.equal(status.error.code, 'signaling_unreachable');
    assert.deepEqual(
      status.signaling.map(({ error }) => error.code),
      Array(3).fill('signaling_unreachable'),
    );
    assert.equal(a.sync.doctor().stage, 'signaling');
    a.type('without a server');
    await until(() => b.text === 'without a server', 'pages of one browser meet');
    server(urls[1]).up();
    await until(() => a.sync.getStatus().state === 'connected');
    assert.deepEqual(a.codes(), []);
  }));

test('pages of one browser meet in a room without any server', () =>
  withReplicas(['alice', 'bob'], { room: 'serverless' }, async (a, b) => {
    await Promise.all([a.sync.connect(), b.sync.connect()]);
    assert.equal(a.sync.getStatus().state, 'connected');
    a.type('no server');
    await until(() => b.text === 'no server');
    assert.deepEqual(a.peers, ['bob']);
    assert.equal(a.sync.getStatus().links[0].link, 'broadcast');
    b.sync.disconnect();
    await until(() => a.peers.length === 0);
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
    assert.ok(AWAY.includes(a.sync.getStatus().error.code));
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
    const { random } = Math;
    // Full jitter at its fullest: each wait is as long as it may be.
    Math.random = () => 1;
    try {
      server(url).down();
      const before = opened;
      await until(() => opened > before, 'the first attempt fails, and a longer wait begins');
      await pause();
      server(url).up();
      const attempts = opened;
      page.dispatchEvent(new Event('online'));
      assert.equal(opened, attempts + 1, 'in the same task');
      await until(() => a.sync.getStatus().state === 'connected');
    } finally {
      Math.random = random;
    }
    const states = a.told('status').map(({ state }) => state);
    const steps = states.filter((state, i) => state !== states[i - 1]);
    assert.deepEqual(steps, ['connecting', 'connected', 'reconnecting', 'connected']);
  }));

test('a page that is put away leaves at once, and is back when it is shown again', () =>
  withReplicas(['alice', 'bob'], RELAYED, async (a, b) => {
    const [url] = addresses(1);
    const transports = cable();
    a.sync.addTransport(transports.ends[0]);
    b.sync.addTransport(transports.ends[1]);
    await Promise.all([a.sync.connect(url), b.sync.connect(url)]);
    a.sync.setPresence('name', 'Alice');
    a.type('seen ');
    await until(() => b.text === 'seen ' && b.told('presence').length > 0);
    // Both are pages of this process, so both are put away and come back.
    page.dispatchEvent(new Event('pagehide'));
    assert.deepEqual([a.peers, b.peers], [[], []]);
    assert.equal(transports.ends[0].stops, 1);
    a.type('hidden ');
    b.doc.insert(0, 'hidden too ');
    server(url).down();
    page.dispatchEvent(new Event('pageshow'));
    assert.equal(a.sync.getStatus().state, 'reconnecting');
    await until(() => a.text === b.text && a.text === 'hidden too seen hidden ');
    server(url).up();
    await until(() => a.sync.getStatus().state === 'connected', 'though the server was away');
    await until(() => b.told('presence').at(-1).fields.name === 'Alice', 'presence is shown anew');
    page.dispatchEvent(new Event('pageshow'));
    a.type('!');
    await until(() => b.text.endsWith('!'));
    assert.deepEqual([...a.codes(), ...b.codes()], []);
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
