// Stored documents of the package in a real browser: killed tabs, quota, versions, blocked databases.
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { openPackagePage } from "../src/package_page.js";
import { type Stage, test } from "../src/stage.js";
import { PATIENCE_MS } from "../src/tab.js";

type Stored = import("crdt-wasm/storage").StoredDocument;

declare global {
  // Set by the pages below.
  var stored: Stored;
  /** The last number that is known to be stored, and when each was typed. */
  var known: { saved: number; typed: Map<number, number> };
}

/** How often a tab is killed. */
const KILLS = Number(process.env["STORED_KILLS"] ?? 40);

/** A page with the package, in the same browser as `beside`. */
function storagePage(stage: Stage, beside?: Page): Promise<Page> {
  return openPackagePage(stage, {}, beside);
}

async function openStored(page: Page, name = "garden"): Promise<string> {
  return page.evaluate(async (name) => {
    const { Document } = globalThis.crdt;
    globalThis.stored = await globalThis.storage.openStored(name, { Document });
    return globalThis.stored.document.getText();
  }, name);
}

const textOf = (page: Page) => page.evaluate(() => globalThis.stored.document.getText());
const statusOf = (page: Page) => page.evaluate(() => globalThis.stored.status);

test(`a tab that is killed ${KILLS} times while it writes loses nothing that was stored`, async ({ stage }) => {
  // What the killed tabs said is known to a tab that lives on.
  const witness = await storagePage(stage);
  await witness.evaluate(() => {
    globalThis.known = { saved: -1, typed: new Map() };
    new BroadcastChannel("witness").onmessage = ({ data }) => {
      if (data.saved !== undefined) globalThis.known.saved = data.saved;
      else globalThis.known.typed.set(data.typed, performance.now());
    };
  });
  let worstLoss = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const writer = await storagePage(stage, witness);
    const text = await openStored(writer);
    const numbers = text.split(" ").filter((word) => word !== "").map(Number);
    expect(numbers).toEqual(numbers.map((_, index) => index));
    const lost = await witness.evaluate((stored) => {
      const { saved, typed } = globalThis.known;
      const first = typed.get(stored);
      const last = Math.max(-1, ...typed.keys());
      const lostMs = first === undefined ? 0 : typed.get(last)! - first;
      globalThis.known = { saved: stored - 1, typed: new Map() };
      return { saved, lostMs };
    }, numbers.length);
    expect(numbers.length).toBeGreaterThan(lost.saved);
    worstLoss = Math.max(worstLoss, lost.lostMs);

    await writer.evaluate((next) => {
      const { stored } = globalThis;
      const witness = new BroadcastChannel("witness");
      let number = next;
      stored.on("status", ({ state }) => {
        if (state === "saved") witness.postMessage({ saved: number - 1 });
      });
      setInterval(() => {
        stored.document.insert(stored.document.length, `${number} `);
        witness.postMessage({ typed: number });
        number += 1;
        if (number % 40 === 0) void stored.compact();
      }, 2);
    }, numbers.length);
    await witness.waitForTimeout(Math.random() * 150);
    const devtools = await writer.context().newCDPSession(writer);
    const crashed = writer.waitForEvent("crash");
    // Nobody is left to answer.
    void devtools.send("Page.crash").catch(() => {});
    await crashed;
    await writer.close();
  }
  console.log(`${KILLS} kills; the most that was lost is what was typed within ${worstLoss.toFixed(0)} ms`);
}, 600_000);

test("what was edited as the page was left is there for the next one", async ({ stage }) => {
  const page = await storagePage(stage);
  await openStored(page);
  await page.evaluate(() => {
    // A page that is left while it has no time to write: the transaction is never made.
    const { prototype } = IDBDatabase;
    prototype.transaction = () => {
      throw new DOMException("too late", "AbortError");
    };
    globalThis.stored.document.insert(0, "the last word");
    dispatchEvent(new PageTransitionEvent("pagehide"));
  });
  const next = await storagePage(stage, page);
  await page.close();
  expect(await openStored(next)).toBe("the last word");
  // The page leaves it behind once more as it is closed, which may be after that.
  const last = await storagePage(stage, next);
  expect(await openStored(last)).toBe("the last word");
  expect(await last.evaluate(() => Object.keys(localStorage))).toEqual([]);
});

test("two tabs stay equal, and what either wrote is there again", async ({ stage }) => {
  const ada = await storagePage(stage);
  const ben = await storagePage(stage, ada);
  for (const page of [ada, ben]) await openStored(page);
  await ada.evaluate(() => globalThis.stored.document.insert(0, "from Ada. "));
  await expect.poll(() => textOf(ben), { timeout: PATIENCE_MS }).toBe("from Ada. ");
  await ben.evaluate(() => globalThis.stored.document.insert(0, "from Ben. "));
  await expect.poll(() => textOf(ada), { timeout: PATIENCE_MS }).toBe("from Ben. from Ada. ");
  for (const page of [ada, ben]) await page.evaluate(() => globalThis.stored.compact());
  const again = await storagePage(stage, ada);
  for (const page of [ada, ben]) await page.close();
  expect(await openStored(again)).toBe("from Ben. from Ada. ");
});

test("a quota that is used up is said, and saving goes on once there is space", async ({ stage }) => {
  const page = await storagePage(stage);
  const devtools = await page.context().newCDPSession(page);
  const quota = (bytes?: number) =>
    devtools.send("Storage.overrideQuotaForOrigin", {
      origin: stage.server.url,
      ...(bytes === undefined ? {} : { quotaSize: bytes }),
    });
  // Before anything is written: browsers remember for a while how much space there was.
  await quota(1_000_000);
  await openStored(page);
  await page.evaluate(async () => {
    globalThis.stored.document.insert(0, "small");
    await globalThis.stored.flush();
  });
  const code = await page.evaluate(async () => {
    const { stored } = globalThis;
    // What cannot be packed.
    const letters = Array.from({ length: 3_000_000 }, () =>
      String.fromCharCode(0x4e00 + Math.floor(Math.random() * 20_000)),
    );
    stored.document.insert(0, letters.join(""));
    return stored.flush().then(
      () => null,
      (error: { code: string }) => error.code,
    );
  });
  expect(code).toBe("storage_full");
  expect(await statusOf(page)).toMatchObject({
    state: "unsaved",
    problem: { code: "storage_full", message: expect.stringContaining("no space left") },
  });
  await quota();
  await expect
    .poll(async () => (await statusOf(page)).state, { timeout: PATIENCE_MS })
    .toBe("saved");
  expect((await statusOf(page)).problem).toBeNull();
  const length = await page.evaluate(() => globalThis.stored.document.length);
  const other = await storagePage(stage, page);
  expect((await openStored(other)).length).toBe(length);
}, 120_000);

test("a database of a newer version is left alone, and an old tab gives way to it", async ({ stage }) => {
  const old = await storagePage(stage);
  await openStored(old);
  await old.evaluate(async () => {
    globalThis.stored.document.insert(0, "by the old version");
    await globalThis.stored.flush();
  });
  const newer = await storagePage(stage, old);
  const upgraded = await newer.evaluate(
    () =>
      new Promise<boolean>((resolve, reject) => {
        const request = indexedDB.open("crdt-wasm", 1_000);
        request.onsuccess = () => {
          request.result.close();
          resolve(true);
        };
        request.onerror = () => reject(request.error);
      }),
  );
  expect(upgraded).toBe(true);
  await expect
    .poll(async () => (await statusOf(old)).problem?.code, { timeout: PATIENCE_MS })
    .toBe("storage_newer");
  await old.evaluate(() => globalThis.stored.document.insert(0, "typed "));
  expect((await statusOf(old)).state).toBe("unsaved");

  expect(await openStored(newer)).toBe("");
  expect((await statusOf(newer)).problem?.code).toBe("storage_newer");
});

test("a database that an old tab blocks is waited for, and the text in memory is kept", async ({ stage }) => {
  const blocker = await storagePage(stage);
  // A tab that has the database open and does not release it.
  await blocker.evaluate(
    () =>
      new Promise<void>((resolve) => {
        const request = indexedDB.open("crdt-wasm", 1);
        request.onupgradeneeded = () => request.result.createObjectStore("documents", { keyPath: "name" });
        request.onsuccess = () => {
          Object.assign(globalThis, { held: request.result });
          indexedDB.deleteDatabase("crdt-wasm");
          resolve();
        };
      }),
  );
  const page = await storagePage(stage, blocker);
  const text = await openStored(page);
  expect(text).toBe("");
  expect((await statusOf(page)).problem?.code).toBe("storage_timeout");
  await page.evaluate(() => globalThis.stored.document.insert(0, "typed meanwhile"));
  expect((await statusOf(page)).state).toBe("unsaved");
  await blocker.evaluate(() => (globalThis as unknown as { held: IDBDatabase }).held.close());
  await expect
    .poll(async () => (await statusOf(page)).state, { timeout: PATIENCE_MS })
    .toBe("saved");
  expect(await openStored(await storagePage(stage, page))).toBe("typed meanwhile");
});

test("documents are listed, and one that is removed elsewhere stays in memory", async ({ stage }) => {
  const page = await storagePage(stage);
  for (const name of ["one", "two"]) {
    await openStored(page, name);
    await page.evaluate(async () => {
      globalThis.stored.document.insert(0, "text");
      await globalThis.stored.flush();
    });
  }
  const list = () => page.evaluate(() => globalThis.storage.listStored());
  expect((await list()).map(({ name }) => name)).toEqual(["one", "two"]);
  const other = await storagePage(stage, page);
  await other.evaluate(() => globalThis.storage.removeStored("two"));
  expect((await list()).map(({ name }) => name)).toEqual(["one"]);
  await expect
    .poll(async () => (await statusOf(page)).problem?.code, { timeout: PATIENCE_MS })
    .toBe("storage_removed");
  expect(await textOf(page)).toBe("text");
});

test("a database that the browser threw away is written anew", async ({ stage }) => {
  const page = await storagePage(stage);
  await openStored(page);
  await page.evaluate(async () => {
    globalThis.stored.document.insert(0, "before");
    await globalThis.stored.flush();
  });
  await throwAway(stage, page);
  await page.evaluate(async () => {
    globalThis.stored.document.insert(6, " and after");
    await globalThis.stored.flush();
  });
  expect(await openStored(await storagePage(stage, page))).toBe("before and after");
});

test("a database that a script deletes while it is open is written anew by itself", async ({ stage }) => {
  const page = await storagePage(stage);
  await openStored(page);
  await page.evaluate(async () => {
    globalThis.stored.document.insert(0, "kept");
    await globalThis.stored.flush();
    const deletion = indexedDB.deleteDatabase("crdt-wasm");
    await new Promise((resolve) => deletion.addEventListener("success", resolve));
  });
  const stored = () => page.evaluate(() => globalThis.storage.listStored());
  await expect.poll(stored, { timeout: PATIENCE_MS }).toHaveLength(1);
  await expect.poll(async () => (await statusOf(page)).state, { timeout: PATIENCE_MS }).toBe("saved");
  expect(await openStored(await storagePage(stage, page))).toBe("kept");
});

test("a database that the browser throws away during writes is written anew", async ({ stage }) => {
  const page = await storagePage(stage);
  await openStored(page);
  for (let round = 0; round < 30; round++) {
    await Promise.all([
      throwAway(stage, page),
      page.evaluate(async () => {
        for (let write = 0; write < 5; write++) {
          globalThis.stored.document.insert(0, "x");
          await globalThis.stored.flush();
        }
      }),
    ]);
  }
  await page.evaluate(async () => {
    globalThis.stored.document.insert(0, "y");
    await globalThis.stored.flush();
  });
  expect(await openStored(await storagePage(stage, page))).toBe(`y${"x".repeat(150)}`);
});

/** Has the browser delete the site's databases, as it does where it needs the space. */
async function throwAway(stage: Stage, page: Page): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Storage.clearDataForOrigin", {
    origin: stage.server.url,
    storageTypes: "indexeddb",
  });
  await devtools.detach();
}
