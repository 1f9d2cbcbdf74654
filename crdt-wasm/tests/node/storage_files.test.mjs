// Stored documents in a folder of files.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fileStorage, open, randomFrom, storage, textIn, until } from './storages.mjs';

const WRITER = fileURLToPath(new URL('storage_writer.mjs', import.meta.url));

async function inFolder(act) {
  const folder = await mkdtemp(path.join(tmpdir(), 'stored-'));
  try {
    await act(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const filesOf = async (folder) => {
  const [document] = await readdir(folder);
  return (await readdir(path.join(folder, document))).sort();
};

test('documents are files that open again, are listed and removed', () =>
  inFolder(async (folder) => {
    const kept = fileStorage(folder);
    for (const name of ['garden', 'a/b: ..', 'x'.repeat(500), '😀']) {
      const stored = await open(name, { storage: kept });
      stored.document.insert(0, `text of ${name}`);
      await stored.close();
      assert.equal(await textIn(fileStorage(folder), name), `text of ${name}`);
      assert.deepEqual((await storage.listStored({ storage: kept })).map((of) => of.name), [name]);
      const [{ bytes, changed }] = await storage.listStored({ storage: kept });
      assert.ok(bytes > 0 && changed > 0);
      await storage.removeStored(name, { storage: kept });
      assert.deepEqual(await readdir(folder), []);
      assert.equal(await textIn(kept, name), '');
    }
    await storage.removeStored('nobody', { storage: kept });
  }));

test('a folder that cannot be written is said, and used once it can be', () =>
  inFolder(async (folder) => {
    const inTheWay = path.join(folder, 'documents');
    await writeFile(inTheWay, 'a file');
    const stored = await open('garden', { storage: fileStorage(inTheWay) });
    stored.document.insert(0, 'typed');
    await assert.rejects(stored.flush(), { code: 'storage_failed', message: /check that it is a folder/ });
    assert.equal(stored.status.state, 'unsaved');
    assert.equal(stored.status.problem.code, 'storage_failed');
    await rm(inTheWay);
    await until(() => stored.status.state === 'saved');
    assert.equal(await textIn(fileStorage(inTheWay), 'garden'), 'typed');
    await stored.close();
  }));

test('a document that is removed while it is open goes on in memory, and does not come back', () =>
  inFolder(async (folder) => {
    const stored = await open('garden', { storage: fileStorage(folder) });
    const other = await open('garden', { storage: fileStorage(folder) });
    stored.document.insert(0, 'typed');
    await stored.flush();
    await until(() => other.document.getText() === 'typed');
    await storage.removeStored('garden', { storage: fileStorage(folder) });
    for (const of of [stored, other]) {
      await until(() => of.status.problem?.code === 'storage_removed');
      assert.equal(of.status.state, 'unsaved');
      of.document.insert(0, 'more ');
      await assert.rejects(of.flush(), { code: 'storage_removed' });
      assert.match(of.document.getText(), /more .*typed/);
    }
    assert.deepEqual(await storage.listStored({ storage: fileStorage(folder) }), []);
    assert.deepEqual(await readdir(folder), []);
    for (const of of [stored, other]) await assert.rejects(of.close(), { code: 'storage_removed' });
  }));

test('a file takes the place of the logs', () =>
  inFolder(async (folder) => {
    const [a, b] = [fileStorage(folder), fileStorage(folder)];
    const [one, other] = [await open('garden', { storage: a }), await open('garden', { storage: b })];
    one.document.insert(0, 'one ');
    await one.flush();
    other.document.insert(0, 'other ');
    await other.flush();
    assert.equal((await filesOf(folder)).filter((file) => file.endsWith('.log')).length, 2);
    await one.compact();
    assert.deepEqual(await filesOf(folder), ['1.crdt', 'name']);
    assert.match(one.document.getText(), /other/);
    // The log of the other one is gone, and it begins a new one.
    other.document.insert(0, 'more ');
    await other.flush();
    assert.equal((await filesOf(folder)).length, 3);
    await other.compact();
    await Promise.all([one.close(), other.close()]);
    const text = await textIn(a, 'garden');
    for (const word of ['one', 'other', 'more']) assert.ok(text.includes(word), word);
  }));

test('a log that broke off is read up to there, and not written on', () =>
  inFolder(async (folder) => {
    const first = await open('garden', { storage: fileStorage(folder) });
    first.document.insert(0, 'whole ');
    await first.close();
    const [document] = await readdir(folder);
    const [log] = (await filesOf(folder)).filter((file) => file.endsWith('.log'));
    await appendFile(path.join(folder, document, log), new Uint8Array([200, 0, 0, 0, 1, 2, 3]));
    const second = await open('garden', { storage: fileStorage(folder) });
    assert.equal(second.document.getText(), 'whole ');
    second.document.insert(0, 'more ');
    await second.close();
    assert.equal(await textIn(fileStorage(folder), 'garden'), 'more whole ');
  }));

test('damage in a log is said, costs what is damaged alone, and nothing is replaced', () =>
  inFolder(async (folder) => {
    const writer = fileStorage(folder);
    const first = await open('garden', { storage: writer });
    for (const word of ['one ', 'two ', 'three ']) {
      first.document.insert(0, word);
      await first.flush();
    }
    await first.close();
    const [document] = await readdir(folder);
    const [name] = (await filesOf(folder)).filter((file) => file.endsWith('.log'));
    const log = path.join(folder, document, name);
    const whole = await readFile(log);
    const { updates } = await writer.load('garden');
    assert.equal(updates.length, 3);
    const length = updates[0].length;
    const spoilt = {
      'a bit of the first': whole.with(8 + length - 1, whole[8 + length - 1] ^ 1),
      'the length of the first': whole.with(1, whole[1] ^ 1),
      'a bit of the last': whole.with(whole.length - 1, whole.at(-1) ^ 1),
      zeros: new Uint8Array(whole.length),
      nonsense: Uint8Array.from(whole, (_, at) => (at * 97 + 13) & 0x7f),
    };
    for (const [what, bytes] of Object.entries(spoilt)) {
      await writeFile(log, bytes);
      const kept = fileStorage(folder);
      const found = await kept.load('garden');
      assert.equal(found.updates.length, what.includes('bit') || what.includes('length') ? 2 : 0, what);
      const stored = await open('garden', { storage: kept });
      // What looks like the beginning of a long update may as well be one that was never written to its end.
      if (what !== 'nonsense') assert.equal(stored.status.problem?.code, 'storage_damaged', what);
      await stored.close();
      assert.deepEqual(await readFile(log), Buffer.from(bytes), 'it stays as it is');
    }
  }));

test('what is no document of ours stands in no list, and in no way', () =>
  inFolder(async (folder) => {
    const kept = fileStorage(folder);
    await mkdir(path.join(folder, 'strange', 'name'), { recursive: true });
    const stored = await open('garden', { storage: kept });
    stored.document.insert(0, 'text');
    await stored.close();
    assert.deepEqual((await storage.listStored({ storage: kept })).map((of) => of.name), ['garden']);
  }));

test('many who write and replace at once lose nothing', () =>
  inFolder(async (folder) => {
    const random = randomFrom(7);
    const all = await Promise.all(
      Array.from({ length: 4 }, () => open('garden', { storage: fileStorage(folder) })),
    );
    const work = all.map(async (stored, writer) => {
      for (let i = 0; i < 25; i += 1) {
        stored.document.insert(0, `(${writer}.${i})`);
        await stored.flush();
        if (random() < 0.3) await stored.compact();
      }
    });
    await Promise.all(work);
    await Promise.all(all.map((stored) => stored.close()));
    const text = await textIn(fileStorage(folder), 'garden');
    for (let writer = 0; writer < 4; writer += 1) {
      for (let i = 0; i < 25; i += 1) assert.ok(text.includes(`(${writer}.${i})`), `${writer}.${i}`);
    }
  }));

test('a program that is killed while it writes loses nothing that was stored', () =>
  inFolder(async (folder) => {
    const rounds = Number(process.env.STORAGE_KILLS ?? 25);
    const random = randomFrom(Number(process.env.STORAGE_SEED ?? 1));
    let [next, stored] = [0, -1];
    for (let round = 0; round < rounds; round += 1) {
      const writer = spawn(process.execPath, [WRITER, folder, String(next)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let isOpen = false;
      createInterface({ input: writer.stdout }).on('line', (line) => {
        if (line === 'open') isOpen = true;
        else stored = Number(line);
      });
      const closed = once(writer, 'close');
      await until(() => isOpen);
      await new Promise((resolve) => setTimeout(resolve, random() * 60));
      writer.kill('SIGKILL');
      await closed;
      const text = await textIn(fileStorage(folder), 'garden');
      const numbers = text.trim().split(' ').filter((word) => word !== '').map(Number);
      // The one that was being stored may be there, too.
      assert.ok(numbers.length === stored + 1 || numbers.length === stored + 2, `round ${round}`);
      assert.deepEqual(numbers, numbers.map((_, index) => index));
      next = numbers.length;
      stored = numbers.length - 1;
    }
  }));
