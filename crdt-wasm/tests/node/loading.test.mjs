// How the package is loaded: every entry, before and after `init`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const PACKAGE = new URL('../../pkg/', import.meta.url);
const FOLDERS = ['.', 'document'];

/** Runs a module in a process of its own, and returns what it says as JSON. */
function inProcess(code, type = 'module') {
  const script = `const say = (value) => console.log(JSON.stringify(value));\n${code}`;
  const output = execFileSync(process.execPath, [`--input-type=${type}`, '--eval', script]);
  return JSON.parse(output.toString());
}

const address = (folder, file) => new URL(`${folder}/${file}`, PACKAGE).href;
const file = (folder, name) => new URL(`${folder}/${name}`, PACKAGE).pathname;

for (const folder of FOLDERS) {
  test(`${folder}: every entry has the same names`, () => {
    const names = inProcess(`
      const names = async (file) => Object.keys(await import(${JSON.stringify(address(folder, ''))} + file)).sort();
      const entries = ['crdt_wasm.js', 'anywhere.js', 'inline.js', 'glue.js', 'node.mjs'];
      say(await Promise.all(entries.map(names)));`);
    for (const others of names) assert.deepEqual(others, names[0]);
    const required = inProcess(
      `say(Object.keys(require(${JSON.stringify(file(folder, 'crdt_wasm.cjs'))})).sort())`,
      'commonjs',
    );
    assert.deepEqual(required, names[0]);
    assert.ok(names[0].includes('default') && names[0].includes('Document'));
  });

  test(`${folder}: before init everything says so, and init may be called again`, () => {
    for (const entry of ['node.mjs', 'inline.js']) {
      const [codes, texts] = inProcess(`
        import * as crdt from ${JSON.stringify(address(folder, entry))};
        const { default: init, initSync, toDelta, Version, Anchor, ...rest } = crdt;
        const calls = Object.values(rest).map((call) =>
          /^class/.test(call) ? () => new call(1, 'name', {}) : () => call(1, 'x', 'right'));
        calls.push(() => Version.fromText('W10'), () => Anchor.fromJSON('{}'));
        const codes = await Promise.all(calls.map(async (call) => {
          try { await call(); return 'none'; } catch (error) { return error.code + ' ' + /init/.test(error.message); }
        }));
        const [one, two] = [init(), init()];
        await Promise.all([one, two, init({ module_or_path: 'nowhere' })]);
        initSync();
        const doc = new crdt.Document();
        doc.insert(0, 'works');
        await init();
        say([[...new Set(codes)], [doc.getText(), one === two]]);`);
      // A wrong argument may be said first.
      assert.deepEqual(codes.filter((code) => !code.startsWith('bad_argument')), ['not_loaded true']);
      assert.deepEqual(texts, ['works', true]);
    }
  });

  test(`${folder}: import and require are one copy`, () => {
    const same = inProcess(`
      import { createRequire } from 'node:module';
      import { Document } from ${JSON.stringify(address(folder, 'node.mjs'))};
      const required = createRequire('/')(${JSON.stringify(file(folder, 'crdt_wasm.cjs'))});
      say(required.Document === Document);`);
    assert.equal(same, true);
  });

  test(`${folder}: what cannot be fetched is said, or taken from inside`, () => {
    // Node's fetch knows no files.
    const [error, text] = inProcess(`
      const load = (file) => import(${JSON.stringify(address(folder, ''))} + file);
      const { default: fetched } = await load('crdt_wasm.js');
      const error = await fetched().catch((error) => [error.name, error.code, error.message]);
      const { default: init, Document } = await load('anywhere.js');
      await init();
      const doc = new Document();
      doc.insert(0, 'works');
      say([error, doc.getText()]);`);
    assert.deepEqual(error.slice(0, 2), ['CrdtError', 'not_loaded']);
    assert.match(error[2], /crdt_wasm_bg\.wasm.*crdt-wasm\/inline.*wasm-unsafe-eval/s);
    assert.equal(text, 'works');
  });

  test(`${folder}: what is no module is an error with a code, and may be followed by one`, () => {
    for (const entry of ['inline.js', 'glue.js', 'crdt_wasm.js', 'node.mjs']) {
      const [codes, text] = inProcess(`
        import { readFileSync } from 'node:fs';
        const bytes = readFileSync(${JSON.stringify(file(folder, 'crdt_wasm_bg.wasm'))});
        const { default: init, initSync, Document } = await import(${JSON.stringify(address(folder, entry))});
        const wrong = [new Uint8Array(3), bytes.subarray(0, 9000), 'http://127.0.0.1:1/', 5];
        const codes = [];
        for (const module of wrong) {
          await init({ module_or_path: module }).catch((error) => codes.push(error.code));
          try { initSync({ module }); } catch (error) { codes.push(error.code); }
        }
        await init({ module_or_path: Promise.reject(new Error('no')) }).catch((error) => codes.push(error.code));
        await init({ module_or_path: bytes });
        say([codes, new Document('a').getText()]);`);
      assert.deepEqual(codes, Array(9).fill('not_loaded'), entry);
      assert.equal(text, '');
    }
  });

  test(`${folder}: the bare entry has to be given something`, () => {
    const codes = inProcess(`
      const { default: init, initSync } = await import(${JSON.stringify(address(folder, 'glue.js'))});
      const codes = [];
      for (const nothing of [undefined, null]) {
        try { initSync(nothing); } catch (error) { codes.push(error.code); }
        await init(nothing).catch((error) => codes.push(error.code));
      }
      say(codes);`);
    assert.deepEqual(codes, Array(4).fill('bad_argument'));
  });

  test(`${folder}: what is fetched is compiled, whatever its type is called`, () => {
    for (const [type, status] of [['application/wasm', 200], ['application/octet-stream', 200], ['text/html', 200], ['text/plain', 404]]) {
      const isPage = type.startsWith('text/');
      const text = inProcess(`
        import { readFileSync } from 'node:fs';
        const bytes = ${isPage} ? '<!doctype html>' : readFileSync(${JSON.stringify(file(folder, 'crdt_wasm_bg.wasm'))});
        globalThis.fetch = async () =>
          new Response(bytes, { status: ${status}, headers: { 'Content-Type': '${type}' } });
        const { default: init, Document } = await import(${JSON.stringify(address(folder, 'crdt_wasm.js'))});
        const failed = await init().then(() => null, (error) => error.code);
        say(failed ?? new Document('a').getText());`);
      assert.equal(text, isPage ? 'not_loaded' : '');
    }
  });
}

test('two copies do not take each other\'s handles', () => {
  const [codes, own] = inProcess(`
    import * as all from ${JSON.stringify(address('.', 'node.mjs'))};
    import * as alone from ${JSON.stringify(address('document', 'node.mjs'))};
    import * as again from ${JSON.stringify(address('.', 'inline.js'))};
    const copies = [all, alone, again];
    await Promise.all(copies.map((copy) => copy.default()));
    const documents = copies.map((copy) => new copy.Document());
    const codes = [];
    copies.forEach((copy, i) => documents.forEach((doc, k) => {
      if (i === k) return;
      for (const call of [
        () => copy.get_text(doc.handle),
        () => copy.insert(doc.handle, 0, 'x'),
        () => new copy.UndoManager(doc),
        () => documents[i].encodeSince(doc.version()),
        () => documents[i].positionOf(doc.anchorAt(0)),
        () => copy.NetworkSync && new copy.NetworkSync(doc.handle, 'x'),
      ]) {
        try { if (call() !== undefined) codes.push('none'); } catch (error) { codes.push(error.code); }
      }
    }));
    documents.forEach((doc, i) => doc.insert(0, 'copy ' + i));
    say([[...new Set(codes)].sort(), documents.map((doc) => doc.getText())]);`);
  assert.deepEqual(codes, ['bad_argument', 'dead_handle']);
  assert.deepEqual(own, ['copy 0', 'copy 1', 'copy 2']);
});

test('package.json names what there is', () => {
  const manifest = JSON.parse(readFileSync(new URL('package.json', PACKAGE), 'utf8'));
  const files = [];
  const collect = (value) => {
    if (typeof value === 'string') files.push(value);
    else Object.values(value).forEach(collect);
  };
  const { './*': _, ...entries } = manifest.exports;
  collect(entries);
  assert.ok(files.length > 20);
  for (const name of [...files, manifest.main, manifest.module, manifest.types, './LICENSE', './README.md']) {
    assert.ok(readFileSync(new URL(name, PACKAGE)).length > 0, name);
  }
});
