// A `Document` that a `NetworkSync` keeps in step with others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crdt, errorOf } from './package.mjs';
import { cable, pause, until } from './replica.mjs';

const { Document, NetworkSync, UndoManager } = crdt;

/** Two documents, linked by a cable. */
async function linked(use) {
  const { ends } = cable();
  const docs = ['Ada', 'Bob'].map((name) => new Document({ name }));
  const syncs = docs.map((doc) => new NetworkSync(doc.handle, doc.agentId, { links: [] }));
  try {
    syncs.forEach((sync, i) => sync.addTransport(ends[i]));
    await Promise.all(syncs.map((sync) => sync.connect()));
    await use(docs, syncs, ends);
  } finally {
    syncs.forEach((sync) => sync.destroy());
    docs.forEach((doc) => doc.free());
  }
}

test('what the network merges is reported like every change, in order', () =>
  linked(async ([ada, bob]) => {
    const heard = [];
    let text = '';
    bob.on('change', ({ changes, origin, local }) => {
      for (const { position, deleted, inserted } of changes) {
        text = text.slice(0, position) + inserted + text.slice(position + deleted);
      }
      heard.push([origin, local]);
    });
    const relayed = new Document();
    bob.on('update', (bytes) => relayed.merge(bytes));
    ada.insert(0, 'from Ada 😀. ');
    await until(() => text === ada.getText());
    assert.deepEqual(heard, [[undefined, false]]);
    for (let round = 0; round < 50; round += 1) {
      ada.insert(0, 'a');
      ada.transact(() => {
        ada.delete(1, 1);
        ada.insert(ada.length, 'b');
      });
      bob.insert(bob.length, '😀');
      await pause(round % 3);
    }
    await until(() => ada.getText() === bob.getText() && ada.version().equals(bob.version()));
    await until(() => text === bob.getText());
    assert.equal(relayed.getText(), bob.getText());
  }));

test('listeners hear of a change while its message is taken in, before what else that causes', () =>
  linked(async ([ada, bob], [, sync], [, end]) => {
    const { callbacks } = end;
    const { receive } = callbacks;
    const heard = [];
    let isReceiving = false;
    callbacks.receive = (message) => {
      isReceiving = true;
      receive(message);
      isReceiving = false;
    };
    bob.on('change', () => heard.push(['document', isReceiving]));
    sync.on('change', () => heard.push(['network', isReceiving]));
    bob.on('change', () => {
      throw new Error('of a listener');
    });
    const errors = [];
    globalThis.reportError = (error) => errors.push(error.message);
    try {
      ada.insert(0, 'a');
      await until(() => heard.length === 2);
    } finally {
      delete globalThis.reportError;
    }
    assert.deepEqual(heard, [['document', true], ['network', true]]);
    assert.deepEqual(errors, ['of a listener']);
  }));

test('undo goes out as an edit, and takes nothing of others back', () =>
  linked(async ([ada, bob]) => {
    const undo = new UndoManager(ada, { captureTimeout: 0 });
    ada.insert(0, 'Ada');
    await until(() => bob.getText() === 'Ada');
    bob.insert(3, 'Bob');
    await until(() => ada.getText() === 'AdaBob');
    undo.undo();
    await until(() => bob.getText() === 'Bob');
    const version = bob.version();
    undo.redo();
    await until(() => bob.getText() === 'AdaBob');
    bob.revertTo(version);
    await until(() => ada.getText() === 'Bob');
  }));

test('merges by hand go out, and are reported once', () =>
  linked(async ([ada, bob]) => {
    const other = new Document();
    other.insert(0, 'by hand');
    const heard = [];
    ada.on('change', ({ changes, origin }) => heard.push([changes[0].inserted, origin]));
    ada.merge(other.encodeSince(), 'file');
    await until(() => bob.getText() === 'by hand');
    assert.deepEqual(heard, [['by hand', 'file']]);
  }));

test('a document may be freed while it syncs', () =>
  linked(async ([ada, bob], [one, two]) => {
    ada.insert(0, 'x'.repeat(200_000));
    bob.on('change', () => bob.free());
    await until(() => {
      try {
        return bob.length < 0;
      } catch (error) {
        return error.code === 'dead_handle';
      }
    });
    ada.insert(0, 'more');
    ada.free();
    await pause();
    assert.equal(errorOf(() => ada.insert(0, 'x')).code, 'dead_handle');
    one.destroy();
    two.destroy();
  }));

test('a warm-up edits documents of its own, and leaves nothing behind', async () => {
  const { insert } = Document.prototype;
  const texts = new Map();
  Document.prototype.insert = function (position, text) {
    const edit = insert.call(this, position, text);
    texts.set(this.handle, this.getText());
    return edit;
  };
  try {
    await crdt.warmUp();
  } finally {
    Document.prototype.insert = insert;
  }
  assert.equal(texts.size, 2);
  assert.match([...texts.values()].join(), /Warm(\d){6}/);
  for (const handle of texts.keys()) {
    assert.equal(errorOf(() => crdt.get_text(handle)).code, 'dead_handle');
  }
});

test('a warm-up ends where there is no WebCrypto, and where nothing can be made', async () => {
  const { crypto } = globalThis;
  const subtle = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(crypto), 'subtle');
  Object.defineProperty(crypto, 'subtle', { value: undefined, configurable: true });
  const { insert } = Document.prototype;
  let edits = 0;
  Document.prototype.insert = function (...values) {
    edits += 1;
    return insert.apply(this, values);
  };
  try {
    await crdt.warmUp();
    assert.ok(edits > 4, `${edits} edits`);
    Document.prototype.insert = () => {
      throw new Error('no');
    };
    await crdt.warmUp();
  } finally {
    Document.prototype.insert = insert;
    delete crypto.subtle;
    assert.equal(crypto.subtle, subtle.get.call(crypto));
  }
});
