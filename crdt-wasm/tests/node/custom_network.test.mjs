// The custom network layers as they stand in the documentation.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { crdt } from './package.mjs';

const { Document, Version } = crdt;

/** The example of the README that has these words in it. */
function printed(words) {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const examples = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  const found = examples.filter((code) => code.includes(words));
  assert.equal(found.length, 1, words);
  return found[0];
}

/** Runs it with these values by name. */
function runPrinted(words, values) {
  new Function(...Object.keys(values), printed(words))(...Object.values(values));
}

/** Lets all messages arrive. */
async function settle() {
  for (let round = 0; round < 20; round += 1) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Links two documents for as long as the test runs: an open port keeps Node running. */
function connect(t, one, two) {
  const { port1, port2 } = new MessageChannel();
  const close = () => [port1, port2].forEach((port) => port.close());
  t.after(close);
  let bytes = 0;
  for (const port of [port1, port2]) {
    const post = port.postMessage.bind(port);
    port.postMessage = (message) => {
      bytes += (message.update ?? message.version).length;
      post(message);
    };
  }
  runPrinted('port.onmessage', { doc: one, port: port1, Version });
  runPrinted('port.onmessage', { doc: two, port: port2, Version });
  return { bytes: () => bytes, close };
}

test('the incremental network of the documentation', async (t) => {
  const [alice, bob, carol] = ['Alice', 'Bob', 'Carol'].map((name) => new Document({ name }));
  alice.insert(0, 'from alice 🦊. ');
  bob.insert(0, 'from bob 🐻. ');
  const first = connect(t, alice, bob);
  const second = connect(t, bob, carol);
  await settle();
  for (const doc of [alice, bob, carol]) doc.insert(0, `${doc.agentId[0]} again. `);
  await settle();
  const texts = [alice, bob, carol].map((doc) => doc.getText());
  assert.deepEqual(new Set(texts).size, 1);
  assert.match(texts[0], /🦊.*🐻|🐻.*🦊/);

  // What was made while they were apart comes with the next connection, and nothing else.
  first.close();
  alice.insert(0, 'apart. ');
  bob.insert(0, 'apart, too. ');
  const again = connect(t, alice, bob);
  await settle();
  assert.equal(alice.getText(), bob.getText());
  assert.equal(carol.getText(), bob.getText());
  assert.ok(again.bytes() < 800, `${again.bytes()} bytes`);

  // A keystroke is a few bytes, however long the history.
  const before = again.bytes();
  for (let at = 0; at < 1000; at += 1) alice.insert(at, 'x');
  await settle();
  assert.equal(bob.getText(), alice.getText());
  const keystroke = (again.bytes() - before) / 1000;
  assert.ok(keystroke < 40, `${keystroke} bytes a keystroke`);
  for (const doc of [alice, bob, carol]) doc.free();
});

test('10,000 keystrokes take what the documentation says', async (t) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const said = Number(/10,000\s+keystrokes take (\d+) KB/.exec(readme)?.[1]) * 1000;
  const [here, there] = [new Document(), new Document()];
  const link = connect(t, here, there);
  await settle();
  const before = link.bytes();
  for (let at = 0; at < 10_000; at += 1) here.insert(at, 'x');
  await settle();
  assert.equal(there.getText(), here.getText());
  const bytes = link.bytes() - before;
  assert.ok(Math.abs(bytes - said) < said / 20, `${bytes} bytes, and the README says ${said}`);
  for (const doc of [here, there]) doc.free();
});

test('the simplest network of the documentation', async (t) => {
  const { port1, port2 } = new MessageChannel();
  t.after(() => [port1, port2].forEach((port) => port.close()));
  const sides = [
    { handle: crdt.create_document('alice'), port: port1, updates: 0 },
    { handle: crdt.create_document('bob'), port: port2, updates: 0 },
  ];
  crdt.insert(sides[0].handle, 0, 'Hello from alice 🦊. ');
  crdt.insert(sides[1].handle, 0, 'Hello from bob 🐻. ');
  for (const side of sides) {
    const myTransport = {
      send: (data) => side.port.postMessage(data),
      onMessage: (listener) => side.port.on('message', listener),
    };
    const updateUI = () => {
      side.updates += 1;
    };
    runPrinted('myTransport', { crdt, handle: side.handle, myTransport, updateUI });
  }
  await Promise.all(sides.map((side) => side.updates || once(side.port, 'message')));

  const texts = sides.map((side) => crdt.get_text(side.handle));
  assert.equal(texts[0], texts[1]);
  assert.match(texts[0], /alice 🦊/);
  assert.match(texts[0], /bob 🐻/);
  assert.deepEqual(
    sides.map((side) => side.updates),
    [1, 1],
  );
  for (const side of sides) {
    crdt.free_document(side.handle);
  }
});
