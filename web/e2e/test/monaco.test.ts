// A bound Monaco editor in a real browser: its keys, its carets, and input methods while others write.
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { loadMonaco, openBindingsPage, otherReplaces } from "../src/bindings_page.js";
import { type Stage, test } from "../src/stage.js";
import { PATIENCE_MS } from "../src/tab.js";

type Monaco = typeof import("monaco-editor");

declare global {
  // What the page of a test holds.
  var monaco: Monaco;
  var code: import("monaco-editor").editor.IStandaloneCodeEditor;
  var shared: import("@crdt/codemirror").SharedText;
  var presence: import("@crdt/codemirror").Presence;
}

/** A page with an editor that shows the text, and a second replica of it. */
async function editorWith(stage: Stage, text: string): Promise<Page> {
  const page = await openBindingsPage(stage);
  await loadMonaco(page);
  await page.evaluate((initial) => {
    const parent = document.createElement("div");
    parent.style.cssText = "width: 40rem; height: 20rem";
    document.body.append(parent);
    globalThis.replica = new crdt.Document("ada");
    replica.insert(0, initial);
    globalThis.other = new crdt.Document("ben");
    other.merge(replica.encodeSince());
    globalThis.shared = new bindings.SharedText(replica, { UndoManager: crdt.UndoManager });
    globalThis.presence = new bindings.Presence();
    globalThis.code = monaco.editor.create(parent, {
      autoClosingBrackets: "never",
      quickSuggestions: false,
      language: "plaintext",
    });
    bindings.bindMonaco(code, shared, { presence });
    replica.on("update", (bytes, { local }) => local && other.merge(bytes));
    code.focus();
  }, text);
  return page;
}

/** The text in the editor, which has to be the document's. */
async function textOf(page: Page): Promise<string> {
  const [shown, text] = await page.evaluate(() => [code.getValue(), replica.getText()]);
  expect(shown).toBe(text!.replace(/\r\n?/g, "\n"));
  return text!;
}

async function goTo(page: Page, line: number, column: number): Promise<void> {
  await page.evaluate(
    ([lineNumber, at]) => code.setPosition({ lineNumber, column: at }),
    [line, column] as const,
  );
}

test("what is typed and what arrives comes together in Monaco, and undo takes back one's own", async ({
  stage,
}) => {
  const page = await editorWith(stage, "one\ntwo\nthree");
  await goTo(page, 2, 4);
  await page.keyboard.type(" and a half");
  await otherReplaces(page, 0, 0, "zero 😀\n");
  expect(await textOf(page)).toBe("zero 😀\none\ntwo and a half\nthree");
  await otherReplaces(page, 21, 0, "X");
  await page.keyboard.press("Control+z");
  expect(await textOf(page)).toBe("zero 😀\none\ntwoX\nthree");
  expect(await page.evaluate(() => code.getPosition()?.lineNumber)).toBe(3);
  await page.keyboard.press("Control+Shift+z");
  expect(await textOf(page)).toBe("zero 😀\none\ntwo and aX half\nthree");
  await page.keyboard.press("Control+z");
  await page.keyboard.press("Control+y");
  expect(await textOf(page)).toBe("zero 😀\none\ntwo and aX half\nthree");

  // Several carets make several changes at once.
  await page.evaluate(() =>
    code.setSelections([1, 2, 4].map((line) => new monaco.Selection(line, 1, line, 1))),
  );
  await page.keyboard.type("- ");
  expect(await textOf(page)).toBe("- zero 😀\n- one\ntwo and aX half\n- three");
  await page.keyboard.press("Control+z");
  expect(await textOf(page)).toBe("zero 😀\none\ntwo and aX half\nthree");

  // Line endings of others keep the places.
  await otherReplaces(page, 0, 0, "a\r\nb\rc\r\n");
  await page.keyboard.press("Control+End");
  await page.keyboard.type("!");
  await goTo(page, 2, 1);
  await page.keyboard.press("Backspace");
  await page.keyboard.type("+");
  expect(await textOf(page)).toBe("a+b\rc\r\nzero 😀\none\ntwo and aX half\nthree!");

  await page.evaluate(() => (shared.readOnly = true));
  await page.keyboard.type("no");
  expect(await textOf(page)).toBe("a+b\rc\r\nzero 😀\none\ntwo and aX half\nthree!");
}, 120_000);

test("random edits on both sides come out the same in Monaco", async ({ stage }) => {
  const page = await editorWith(stage, "start\nhere");
  await page.evaluate(() => {
    let state = 5;
    const random = (limit: number) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % limit;
    };
    const words = ["a", "\n", "😀", "\r\n", "word", "\r"];
    const model = code.getModel()!;
    for (let round = 0; round < 400; round += 1) {
      const text = words[random(words.length)]!;
      if (random(2) === 0) {
        const at = random(other.length + 1);
        other.replace(at, Math.min(random(4), other.length - at), text);
        replica.merge(other.encodeSince(replica.version()));
      } else {
        const at = random(model.getValueLength() + 1);
        const [from, to] = [model.getPositionAt(at), model.getPositionAt(at + random(4))];
        const range = monaco.Range.fromPositions(from, to);
        code.executeEdits("test", [{ range, text }]);
      }
      const shown = replica.getText().replace(/\r\n?/g, "\n");
      if (model.getValue() !== shown) throw new Error(`round ${round}: ${model.getValue()} is not ${shown}`);
    }
  });
  await textOf(page);
}, 120_000);

test("Monaco shows the carets and the names of others, and one's own to them", async ({ stage }) => {
  const page = await editorWith(stage, "one\ntwo\nthree");
  await page.evaluate(() => {
    const listeners: ((event: object) => void)[] = [];
    const sent: Record<string, unknown> = {};
    Object.assign(globalThis, { sent, tell: (event: object) => listeners.forEach((one) => one(event)) });
    presence.follow({
      on: (event, listener) => event === "presence" && listeners.push(listener as never),
      off: () => {},
      setPresence: (field, value) => (sent[field] = value),
    });
    code.setPosition({ lineNumber: 3, column: 1 });
    const { tell } = globalThis as unknown as { tell(event: object): void };
    const selection = shared.anchorSelection(4, 7);
    tell({ session: "s", peer: "ben", fields: { user: { name: "Ben", color: "teal" }, selection }, left: false });
  });
  const caret = page.locator(".crdt-caret");
  await caret.waitFor();
  expect(await caret.textContent()).toBe("Ben");
  const place = () => caret.evaluate((one) => one.getBoundingClientRect().top);
  const before = await place();
  expect(await page.locator("[class*=crdt-tint]").count()).toBe(1);
  await otherReplaces(page, 0, 0, "above\n");
  await expect.poll(place, { timeout: PATIENCE_MS }).toBeGreaterThan(before + 10);
  const own = await page.evaluate(() => {
    const { sent } = globalThis as unknown as { sent: { selection: { head: string } } };
    return shared.positionOf(sent.selection.head);
  });
  expect(own).toBe("above\none\ntwo\n".length);
  await page.evaluate(() => {
    const { tell } = globalThis as unknown as { tell(event: object): void };
    tell({ session: "s", peer: "ben", fields: {}, left: true });
  });
  await expect.poll(() => caret.count(), { timeout: PATIENCE_MS }).toBe(0);
}, 120_000);

test("a composition in Monaco arrives whole while others write, in its line and in others", async ({ stage }) => {
  const page = await editorWith(stage, "above\nsay  here\nbelow");
  const devtools = await page.context().newCDPSession(page);
  const compose = (text: string) =>
    devtools.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
  await goTo(page, 2, 5);
  await compose("に");
  await compose("にほ");
  await otherReplaces(page, 6, 0, "X");
  await otherReplaces(page, 0, 5, "up\nhere");
  // What others wrote waits; what is composed does not.
  expect(await page.evaluate(() => code.getValue())).toBe("above\nsay にほ here\nbelow");
  await compose("にほん");
  expect(await page.evaluate(() => replica.getText())).toBe("up\nhere\nXsay にほん here\nbelow");
  await devtools.send("Input.insertText", { text: "日本" });
  await expect
    .poll(() => page.evaluate(() => code.getValue()), { timeout: PATIENCE_MS })
    .toBe("up\nhere\nXsay 日本 here\nbelow");
  expect(await textOf(page)).toBe("up\nhere\nXsay 日本 here\nbelow");
  await page.keyboard.press("Control+z");
  expect(await textOf(page)).toBe("up\nhere\nXsay  here\nbelow");
}, 120_000);
