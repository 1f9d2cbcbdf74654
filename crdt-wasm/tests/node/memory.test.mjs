// What happens when there is no more memory: the module is loaded with little of it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { entry } from './package.mjs';

const PAGE = 65_536;
const MOST = 512;

/** Runs code in a process of its own that has the package in `crdt`, with 32 MiB of memory. */
function inLittleMemory(code) {
  const script = `
    const assert = require('node:assert/strict');
    const { readFileSync } = require('node:fs');
    const path = require('node:path');
    const crdt = require(${JSON.stringify(entry)});
    const { errorOf, limited } = (${tools})();
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
