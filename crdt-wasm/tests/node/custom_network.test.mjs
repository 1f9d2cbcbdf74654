import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { crdt } from './package.mjs';

/** A transport as an application might have one: objects over a plain message channel. */
function transportOver(port) {
  return {
    send: (data) => port.postMessage(data),
    onMessage: (listener) => port.on('message', listener),
  };
}

test('the custom network layer as it stands in the documentation', async () => {
  const { port1, port2 } = new MessageChannel();
  const sides = [
    { handle: crdt.create_document('alice'), port: port1, updates: 0 },
    { handle: crdt.create_document('bob'), port: port2, updates: 0 },
  ];
  crdt.insert(sides[0].handle, 0, 'Hello from alice 🦊. ');
  crdt.insert(sides[1].handle, 0, 'Hello from bob 🐻. ');

  for (const side of sides) {
    const { handle } = side;
    const myTransport = transportOver(side.port);
    const updateUI = () => {
      side.updates += 1;
    };

    const ops = crdt.get_operations_json(handle);
    const frontier = crdt.get_frontier_json(handle);
    myTransport.send({ ops, frontier });
    myTransport.onMessage((data) => {
      crdt.merge_operations(handle, data.ops, data.frontier);
      updateUI();
    });
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
    side.port.close();
    crdt.free_document(side.handle);
  }
});
