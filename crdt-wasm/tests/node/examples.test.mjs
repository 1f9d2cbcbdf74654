// The examples, each run by its command. `npm install` in the folder `examples` comes before.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { crdt } from './package.mjs';
import { until } from './replica.mjs';

const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url));
const ROOT = path.join(EXAMPLES, '..');
const run = promisify(execFile);

const inExamples = async (file, ...more) => {
  const { stdout } = await run(process.execPath, [path.join(EXAMPLES, file), ...more], {
    cwd: await mkdtemp(path.join(tmpdir(), 'crdt-examples-')),
  });
  return stdout;
};

test('two processes write one text over a pipe', async () => {
  const output = await inExamples('pipe/main.js');
  const texts = output.split(/The text in the \w+:\n/).slice(1);
  const [one, other] = texts.map((text) => text.trim().split('\n'));
  assert.deepEqual(one, other);
  assert.equal(one.length, 6);
  assert.equal(new Set(one).size, 6);
});

test('a shared counter counts every time', async () => {
  const output = await inExamples('counter/main.js');
  assert.match(output, /garden: 29, 29, 29\n/);
  assert.match(output, /kitchen: 3, 3, 3\n/);
  assert.match(output, /Bob: \d+ ms, \d+ bytes in, \d+ out/);
});

test('the history of a file is shown', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'crdt-examples-'));
  const history = (...more) =>
    run(process.execPath, [path.join(EXAMPLES, 'history/main.js'), ...more], { cwd: folder });
  await history();
  const { stdout } = await history('example.crdt');
  assert.match(stdout, /Bob deletes 4 characters/);
  assert.match(stdout, /Ada {6}"A "\n {2}Bob {6}"story"/);
  const file = await readFile(path.join(folder, 'example.crdt'));
  await writeFile(path.join(folder, 'damaged.crdt'), file.subarray(0, 50));
  await assert.rejects(history('damaged.crdt'), /damaged\.crdt: /);
});

test('tabs of a page without a bundler share a text, and keep it', async () => {
  const { chromium } = createRequire(path.join(ROOT, 'web/e2e/package.json'))('playwright-core');
  const server = spawn(process.execPath, [path.join(EXAMPLES, 'page/serve.js')], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  try {
    const [line] = await once(server.stdout, 'data');
    const context = await browser.newContext();
    const open = async () => {
      const page = await context.newPage();
      await page.goto(`${line}`.trim());
      await page.locator('#text:enabled').waitFor();
      return page;
    };
    const has = (page, text) =>
      page.waitForFunction((text) => document.querySelector('#text').value === text, text);

    const [one, other] = [await open(), await open()];
    await one.fill('#text', 'Hello');
    await has(other, 'Hello');
    await other.fill('#text', 'Hello world');
    await has(one, 'Hello world');
    await other.click('#undo');
    await has(one, 'Hello');
    await other.close();
    await one.reload();
    await has(one, 'Hello');
  } finally {
    await browser.close();
    server.kill();
  }
});

test('a server passes on what comes over a plain WebSocket', async () => {
  const { WebSocket } = createRequire(path.join(EXAMPLES, 'package.json'))('ws');
  const server = spawn(process.execPath, [path.join(EXAMPLES, 'websocket/server.js')], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const sockets = [];
  try {
    const [line] = await once(server.stdout, 'data');
    const url = `${line}`.trim();
    const page = await (await fetch(url)).text();
    assert.match(page, /new WebSocket/);
    const entry = await fetch(new URL('crdt-wasm/document/crdt_wasm.js', url));
    assert.equal(entry.headers.get('Content-Type'), 'text/javascript');
    assert.equal((await fetch(new URL('none', url))).status, 404);

    // What the page does.
    const replica = (name) => {
      const doc = new crdt.Document({ name });
      const socket = new WebSocket(url);
      socket.binaryType = 'arraybuffer';
      sockets.push(socket);
      socket.on('open', () => socket.send(Uint8Array.of(0, ...doc.version().toBytes())));
      socket.on('message', (data) => {
        const [kind, ...bytes] = new Uint8Array(data);
        const rest = Uint8Array.from(bytes);
        if (kind === 1) doc.merge(rest, socket);
        else socket.send(Uint8Array.of(1, ...doc.encodeSince(crdt.Version.fromBytes(rest))));
      });
      doc.on('update', (update, { local }) => {
        if (local && socket.readyState === WebSocket.OPEN) socket.send(Uint8Array.of(1, ...update));
      });
      return doc;
    };
    const [ada, bob] = [replica('Ada'), replica('Bob')];
    ada.insert(0, 'from Ada. ');
    bob.insert(0, 'from Bob. ');
    await until(() => ada.length === 20 && ada.getText() === bob.getText());
    const bad = new WebSocket(url);
    sockets.push(bad);
    await once(bad, 'open');
    bad.send(Uint8Array.of(1, 255, 255));
    const [code] = await once(bad, 'close');
    assert.equal(code, 1008);
    ada.insert(0, 'still here. ');
    const cleo = replica('Cleo');
    await until(() => cleo.getText() === ada.getText() && bob.getText() === ada.getText());
  } finally {
    sockets.forEach((socket) => socket.terminate());
    server.kill();
  }
});
