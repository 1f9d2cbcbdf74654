// A bound text area in a real browser: its keys, and what of it is in view.
import { expect } from "vitest";
import type { Page } from "playwright-core";
import { openBindingsPage, otherReplaces } from "../src/bindings_page.js";
import { type Stage, test } from "../src/stage.js";

const LINES = Array.from({ length: 100 }, (_, line) => `line ${line}: ${"word ".repeat(line % 30)}`);

/** A page with a text area that shows the text, and with somebody else who has it, too. */
async function areaWith(stage: Stage, text: string): Promise<Page> {
  const page = await openBindingsPage(stage);
  await page.evaluate((initial) => {
    const area = document.createElement("textarea");
    area.style.cssText = "width: 20rem; height: 12rem; font: 16px/20px sans-serif; padding: 5px";
    document.body.append(area);
    globalThis.replica = new crdt.Document("ada");
    replica.insert(0, initial);
    globalThis.other = new crdt.Document("ben");
    other.merge(replica.encodeSince());
    const { UndoManager } = crdt;
    bindings.bindTextarea(area, new bindings.SharedText(replica, { UndoManager }));
  }, text);
  return page;
}

test("the keys of undo act on one's own edits, after others wrote, and show them again", async ({ stage }) => {
  const page = await areaWith(stage, LINES.join("\n"));
  const area = page.locator("textarea");
  await area.evaluate((one: HTMLTextAreaElement) => {
    one.focus();
    one.setSelectionRange(9, 13);
  });
  await page.keyboard.type("LINE");
  await otherReplaces(page, 0, 0, "new ");
  await area.evaluate((one: HTMLTextAreaElement) => {
    one.scrollTop = one.scrollHeight;
    one.setSelectionRange(one.value.length, one.value.length);
  });
  await page.keyboard.press("Control+z");
  const state = () =>
    area.evaluate((one: HTMLTextAreaElement) => ({
      line: one.value.slice(13, 19),
      selection: [one.selectionStart, one.selectionEnd],
      scrollTop: one.scrollTop,
    }));
  expect(await state()).toEqual({ line: "line 1", selection: [13, 17], scrollTop: expect.any(Number) });
  expect((await state()).scrollTop).toBeLessThan(50);
  await page.keyboard.press("Control+Shift+z");
  expect((await state()).line).toBe("LINE 1");
  await page.keyboard.press("Control+z");
  await page.keyboard.press("Control+z");
  expect((await state()).line).toBe("line 1");
  await page.keyboard.press("Control+y");
  expect(await page.evaluate(() => replica.slice(13, 19))).toBe("LINE 1");
});

test("the lines in view stay, whatever others do above and below them", async ({ stage }) => {
  const text = LINES.join("\n");
  const page = await areaWith(stage, text);
  const area = page.locator("textarea");
  /** The distance of a line from the top of the area. */
  const placeOf = (line: string) =>
    area.evaluate((one: HTMLTextAreaElement, start) => {
      // Measured as the area lays its text out: the height of what is before the line.
      const before = one.cloneNode() as HTMLTextAreaElement;
      before.value = one.value.slice(0, one.value.indexOf(start));
      before.style.height = "0";
      before.style.overflow = "scroll";
      before.style.boxSizing = "border-box";
      before.style.width = `${one.offsetWidth}px`;
      document.body.append(before);
      const height = before.scrollHeight;
      before.remove();
      return height - one.scrollTop;
    }, line);
  await area.evaluate((one: HTMLTextAreaElement) => {
    one.focus();
    one.setSelectionRange(one.value.length / 2, one.value.length / 2);
    one.scrollTop = one.scrollHeight / 2;
  });
  const hidden = (await placeOf("line 60:")) - 47;
  await area.evaluate((one: HTMLTextAreaElement, by) => (one.scrollTop += by), hidden);
  const place = await placeOf("line 60:");
  const changes: [from: number, deleted: number, inserted: string][] = [
    [0, 0, "new\n".repeat(40)],
    [0, 30, "a longer line than the area is wide, so that it takes several lines, and more\n"],
    [text.indexOf("line 99"), 0, "far below\n".repeat(20)],
    [40, 90, ""],
  ];
  for (const [from, deleted, inserted] of changes) {
    await otherReplaces(page, from, deleted, inserted);
    expect(Math.abs((await placeOf("line 60:")) - place)).toBeLessThanOrEqual(1);
  }
  expect(await area.evaluate((one: HTMLTextAreaElement) => one.scrollTop)).toBeGreaterThan(100);
});
