// What happens when there is no more memory: the module is loaded with little of it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { crdt, entry } from './package.mjs';

const PAGE = 65_536;
const MOST = 512;

/** Runs code in a process of its own that has the package in `crdt`, with 32 MiB of memory. */
function inLittleMemory(code) {
  const script = `
    const assert = require('node:assert/strict');
    const { readFileSync } = require('node:fs');
    const path = require('node:path');
    const crdt = require(${JSON.stringify(entry)});
    const { errorOf, fill, limited } = (${tools})();
    const wasm = readFileSync(path.join(path.dirname(${JSON.stringify(entry)}), 'crdt_wasm_bg.wasm'));
    crdt.initSync({ module: limited(wasm, ${MOST}) });
    const { Document } = crdt;
    ${code}`;
  execFileSync(process.execPath, ['--eval', script], { stdio: 'inherit' });
}

function tools() {
  const number = (n) => [(n & 127) | 128, (n >> 7) | 0];
  const read = (bytes, at) => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return [value, at];
    }
  };
  return {
    /** Makes documents until there is no memory for a text of `least` characters, and adds them to `others`. */
    fill(Document, others, most, least) {
      for (let size = most; size >= least; ) {
        try {
          const other = new Document();
          others.push(other);
          other.insert(0, 'z'.repeat(size));
        } catch {
          size >>= 1;
        }
      }
    },
    errorOf(action) {
      try {
        action();
      } catch (error) {
        return error;
      }
      throw new Error('nothing was thrown');
    },
    /** The module with a bound to its memory, in pages. */
    limited(bytes, most) {
      for (let at = 8; at < bytes.length; ) {
        const [length, start] = read(bytes, at + 1);
        if (bytes[at] === 5) {
          const [initial] = read(bytes, start + 2);
          const section = [1, 1, ...number(initial), ...number(most)];
          return Buffer.concat([
            bytes.subarray(0, at),
            Buffer.from([5, section.length, ...section]),
            bytes.subarray(start + length),
          ]);
        }
        at = start + length;
      }
    },
  };
}

test('edits are refused when there is no more memory, and go on when there is', () => {
  inLittleMemory(`
    const [large, small] = [new Document('large'), new Document('small')];
    small.insert(0, 'small');
    const piece = '0123456789abcdef'.repeat(2048);
    let expected = '';
    const error = errorOf(() => {
      for (;;) {
        large.insert(0, piece);
        expected += piece;
      }
    });
    assert.equal(error.name, 'CrdtError');
    assert.equal(error.code, 'out_of_memory');
    assert.ok(expected.length > 4_000_000, String(expected.length));
    // The last insertion may have come in part.
    const text = large.getText();
    assert.equal(large.length, text.length);
    assert.ok(text.endsWith(expected) && text.length < expected.length + piece.length);
    assert.equal(small.getText(), 'small');
    // What is short may still fit, and does no harm where it does not.
    for (let i = 0; i < 20_000; i += 1) {
      try {
        small.insert(0, 'x');
      } catch (error) {
        assert.equal(error.code, 'out_of_memory');
      }
    }
    large.free();
    small.insert(0, 'still ');
    assert.match(small.getText(), /^still x*small$/);
  `);
});

test('what needs too much at once is an error, and other documents go on', () => {
  inLittleMemory(`
    const [one, other] = [new Document('one'), new Document('other')];
    one.insert(0, 'one');
    other.insert(0, 'other');
    const huge = 'x'.repeat(${PAGE * MOST});
    assert.equal(errorOf(() => one.insert(0, huge)).code, 'out_of_memory');
    assert.equal(errorOf(() => one.merge(new Uint8Array(${PAGE * MOST}))).code, 'out_of_memory');
    assert.equal(errorOf(() => Document.open(new Uint8Array(${PAGE * MOST}))).code, 'out_of_memory');
    one.insert(3, '!');
    assert.equal(one.getText(), 'one!');
    // This fits on the way in, and not beside what is made of it.
    const long = 'x'.repeat(${(PAGE * MOST) / 3});
    const error = errorOf(() => {
      for (let i = 0; i < 10; i += 1) one.insert(0, long);
    });
    assert.equal(error.code, 'out_of_memory');
    assert.match(one.getText(), /one!$/);
    assert.equal(one.length, one.getText().length);
    other.insert(0, 'the ');
    assert.equal(other.getText(), 'the other');
    one.free();
    const third = new Document();
    third.merge(other.encodeSince());
    assert.equal(third.getText(), 'the other');
  `);
});

test('a call that only reads leaves its document as it was', () => {
  inLittleMemory(`
    const one = new Document('one');
    // A history that is small in memory, and long as JSON.
    one.insert(0, 'x'.repeat(400_000));
    const version = one.version();
    one.insert(0, 'y');
    const calls = {
      getOperationsJson: () => one.getOperationsJson(),
      save: () => one.save({ prefer: 'size' }),
      encodeSince: () => one.encodeSince(),
      textAt: () => one.textAt(version),
      history: () => [...one.history()],
      blame: () => one.blame(),
      compare: () => one.compare(version, one.version()),
      anchorAt: () => one.anchorAt(5),
      branch: () => one.branch(version).free(),
    };
    // Each of them with more and more of the memory taken.
    const failed = new Set();
    for (const [name, call] of Object.entries(calls)) {
      const others = [];
      for (let round = 0; ; round += 1) {
        try {
          const other = new Document();
          others.push(other);
          other.insert(0, 'z'.repeat(60_000));
        } catch (error) {
          assert.equal(error.code, 'out_of_memory');
          if (round > 600) break;
        }
        try {
          call();
        } catch (error) {
          assert.equal(error.code, 'out_of_memory', \`\${name}: \${error.stack}\`);
          failed.add(name);
          break;
        }
      }
      others.forEach((other) => other.free());
      // What a trap left behind is not given back; the document goes on.
      assert.equal(one.length, 400_001);
      const { length } = one;
      one.insert(length, 'end');
      one.deleteRange(length, 3);
      one.getFrontierJson();
    }
    assert.ok(failed.size > 3, [...failed].join());
    const two = new Document('two');
    two.merge(one.encodeSince(version));
    assert.equal(two.length + one.getText().length, 400_001 + two.length);
  `);
});

test('arguments of NetworkSync that are too long are errors, and take no memory', () => {
  // The entry crdt-wasm/document has no such class.
  if (crdt.NetworkSync === undefined) return;
  inLittleMemory(`
    const { NetworkSync } = crdt;
    const one = new Document('one');
    const long = 'x'.repeat(${PAGE * MOST});
    const argumentsOf = {
      room: () => new NetworkSync(one.handle, 'one', { room: long }),
      key: () => new NetworkSync(one.handle, 'one', { key: long }),
      readKey: () => new NetworkSync(one.handle, 'one', { readKey: long }),
      token: () => new NetworkSync(one.handle, 'one', { token: long }),
      signaling: () => new NetworkSync(one.handle, 'one', { signaling: long }),
      signalings: () => new NetworkSync(one.handle, 'one', { signaling: [long] }),
      links: () => new NetworkSync(one.handle, 'one', { links: [long] }),
      agent: () => new NetworkSync(one.handle, long),
    };
    for (const [name, make] of Object.entries(argumentsOf)) assert.equal(errorOf(make).code, 'bad_argument', name);
    const sync = new NetworkSync(one.handle, 'one', { room: 'room' });
    assert.equal(errorOf(() => sync.on(long, () => {})).code, 'bad_argument');
    assert.equal(errorOf(() => sync.setPresence(long, 1)).code, 'bad_argument');
    assert.equal(errorOf(() => sync.setPresence('name', long)).code, 'presence_too_large');
    const rejected = (promise) => promise.then(() => assert.fail('it was fulfilled'), (error) => error.code);
    Promise.all([sync.connect(long), NetworkSync.readKey(long)].map(rejected)).then((codes) => {
      assert.deepEqual(codes, ['bad_argument', 'bad_argument']);
      sync.setPresence('name', 'short');
      assert.equal(sync.getStatus().state, 'disconnected');
      // With the memory full, each is an error with a code.
      const others = [];
      fill(Document, others, 1 << 20, 8);
      assert.equal(errorOf(() => sync.setPresence('name', 'y'.repeat(60_000))).code, 'out_of_memory');
      assert.equal(errorOf(() => new NetworkSync(one.handle, 'two', { room: 'r' })).code, 'out_of_memory');
      return rejected(sync.connect('ws://127.0.0.1:1')).then((code) => {
        assert.equal(code, 'out_of_memory');
        others.forEach((other) => other.free());
        sync.setPresence('name', 'again');
        sync.destroy();
      });
    }).catch((error) => {
      console.error(error);
      process.exit(1);
    });
  `);
});

test('listeners of an edit that left no memory for its events are called once there is some', () => {
  inLittleMemory(`
    const [doc, peer] = [new Document('doc'), new Document('peer')];
    doc.insert(0, 'start');
    peer.merge(doc.encodeSince());
    const undo = new crdt.UndoManager(doc, { captureTimeout: 0 });
    let text = doc.getText();
    const heard = [];
    doc.on('change', ({ changes, local, origin }) => {
      heard.push([local, origin]);
      for (const { position, deleted, inserted } of changes) {
        text = text.slice(0, position) + inserted + text.slice(position + deleted);
      }
    });
    const updates = [];
    doc.on('update', (bytes, { local, origin }) => updates.push([bytes, local, origin]));
    const reported = [];
    globalThis.reportError = (error) => reported.push(error.code);
    const others = [];
    const empty = () => others.splice(0).forEach((other) => other.free());

    // The edit is made, and then the memory is full.
    const typed = 'typed'.repeat(20_000);
    doc.transact(() => {
      doc.insert(5, typed);
      fill(Document, others, 1 << 20, 8);
    }, 'keyboard');
    assert.equal(doc.getText(), 'start' + typed);
    assert.deepEqual([heard, updates, reported], [[], [], ['out_of_memory']]);
    assert.equal(errorOf(() => doc.insert(0, 'x')).code, 'out_of_memory');
    empty();
    doc.transact(() => doc.insert(0, 'then '), 'program');
    const how = [[true, 'keyboard'], [true, 'program']];
    assert.deepEqual(heard, how);
    assert.deepEqual(updates.map(([, ...of]) => of), how);
    assert.equal(text, doc.getText());
    updates.forEach(([bytes]) => peer.merge(bytes));
    assert.equal(peer.getText(), doc.getText());
    while (undo.canUndo) undo.undo();
    assert.equal(doc.getText(), 'start');

    // They are called without another edit, too.
    doc.transact(() => {
      doc.insert(5, typed);
      fill(Document, others, 1 << 20, 8);
    }, 'late');
    assert.equal(heard.at(-1)[1], undo);
    empty();
    const begun = Date.now();
    const wait = () => {
      if (heard.at(-1)[1] === 'late') return;
      if (Date.now() - begun > 60_000) throw new Error('the listeners were not called');
      setTimeout(wait, 50);
    };
    wait();
  `);
});

test('what is edited behind a merge whose events are late is reported as local, to be sent on', () => {
  inLittleMemory(`
    const [doc, peer] = [new Document('doc'), new Document('peer')];
    peer.insert(0, 'm'.repeat(1_000_000));
    const patch = peer.encodeSince();
    doc.insert(0, 'start');
    const third = new Document('third');
    third.merge(doc.encodeSince());
    peer.free();
    const [sent, heard, others] = [[], [], []];
    doc.on('update', (bytes, { local }) => sent.push([local, bytes]));
    doc.on('change', ({ local }) => heard.push(local));
    globalThis.reportError = () => {};
    // The merge is made, and then the memory is full: its report is read in between.
    const { parse } = JSON;
    JSON.parse = (text) => {
      JSON.parse = parse;
      fill(Document, others, 1 << 18, 8);
      return parse(text);
    };
    doc.merge(patch, 'socket');
    assert.deepEqual([heard, sent], [[], []]);
    // A keystroke needs less than those events.
    const typed = () => {
      try {
        doc.insert(0, 'x');
        return true;
      } catch (error) {
        assert.equal(error.code, 'out_of_memory');
        return false;
      }
    };
    while (!typed()) others.shift().free();
    assert.deepEqual([heard, sent], [[], []]);
    others.forEach((other) => other.free());
    doc.insert(0, 'y');
    assert.deepEqual(heard, [true, true]);
    sent.filter(([local]) => local).forEach(([, bytes]) => third.merge(bytes));
    assert.equal(third.slice(0, 2), 'yx');
    assert.ok(third.getText() === doc.getText());
  `);
});

test('a delta for which there is no memory changes nothing', () => {
  inLittleMemory(`
    let failed = 0;
    for (let round = 0; round < 200; round += 1) {
      const doc = new Document('doc');
      doc.insert(0, 'the text of before');
      const others = [];
      fill(Document, others, 1 << 18, 64);
      others.splice(0, round % 9).forEach((other) => other.free());
      const delta = [
        { insert: 'a'.repeat((round * 97) % 5000) + 'a' },
        { retain: 2 },
        { delete: 1 },
        { insert: 'b'.repeat((round * 791) % 90_000) + 'b' },
      ];
      for (let i = 0; i < 30; i += 1) {
        const before = doc.getText();
        try {
          if (i % 2 === 0) doc.applyDelta(delta);
          else doc.replace(0, 5, 'c'.repeat((round * 1013) % 40_000));
        } catch (error) {
          assert.equal(error.code, 'out_of_memory');
          assert.equal(doc.getText(), before);
          failed += 1;
          break;
        }
      }
      others.forEach((other) => other.free());
      doc.insert(0, 'goes on');
      doc.free();
    }
    assert.ok(failed > 20, String(failed));
  `);
});
