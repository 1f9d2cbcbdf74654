// The app as an editor: what is in view stays, and what the menu does.
import { readFile } from "node:fs/promises";
import axe from "axe-core";
import { expect } from "vitest";
import { test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

async function choose(tab: Tab, name: string): Promise<void> {
  await tab.page.getByText("Menu", { exact: true }).click();
  await tab.page.getByRole("button", { name, exact: true }).click();
}

/** Where a line with this text is on the screen. */
async function placeOf(tab: Tab, text: string): Promise<number> {
  return tab.page.evaluate((wanted) => {
    const lines = [...document.querySelectorAll(".cm-line")];
    return lines.find((line) => line.textContent === wanted)?.getBoundingClientRect().top ?? NaN;
  }, text);
}

test("the text has its own scroll area, and 40 lines that someone adds above move no reader", async ({
  stage,
}) => {
  const link = stage.newRoom();
  const [ada, ben] = [await stage.tab(link, "Ada", { height: 600 }), await stage.tab(link, "Ben")];
  for (const tab of [ada, ben]) await tab.connect();
  for (const tab of [ada, ben]) await tab.seesPeers(1);
  const lines = Array.from({ length: 200 }, (_, line) => `line ${line}`);
  await ben.insert(lines.join("\n"));
  await ada.page.getByText("line 3", { exact: true }).waitFor();
  await ada.page.locator(".cm-scroller").evaluate((one) => (one.scrollTop = one.scrollHeight / 2));
  await ada.page.getByText("line 105", { exact: true }).waitFor();
  const before = await placeOf(ada, "line 105");
  expect(await ada.page.evaluate(() => document.documentElement.scrollHeight)).toBeLessThanOrEqual(600);
  await ben.select(0);
  await ben.insert("more\n".repeat(40));
  const { length } = `${"more\n".repeat(40)}${lines.join("\n")}`;
  await ada.page.getByText(`${length} characters`.replace(/(\d)(?=\d{3})/, "$1,")).waitFor();
  expect(Math.abs((await placeOf(ada, "line 105")) - before)).toBeLessThanOrEqual(2);

  // The followed member is in view, until one writes.
  const follow = ada.page.getByRole("button", { name: "Ben" });
  await follow.click();
  await ben.press("Control+End");
  await ben.type("!");
  await ada.page.getByText("line 199!", { exact: true }).waitFor();
  expect(await follow.getAttribute("aria-pressed")).toBe("true");
  await ada.type("x");
  await expect
    .poll(() => follow.getAttribute("aria-pressed"), { timeout: PATIENCE_MS })
    .toBe("false");
}, 120_000);

test("the editor searches, replaces, numbers lines, and goes in the direction of each line", async ({
  stage,
}) => {
  const ada = await stage.tab(stage.newSecretRoom(), "Ada");
  await ada.type("# Tomatoes\nred ones\nשלום");
  await ada.page.getByText("4 words").waitFor();
  await expect
    .poll(() => ada.page.locator(".cm-line[dir=auto]").count(), { timeout: PATIENCE_MS })
    .toBe(3);
  const direction = ada.page.locator(".cm-line").last();
  expect(await direction.evaluate((line) => getComputedStyle(line).direction)).toBe("rtl");

  await choose(ada, "Line numbers");
  await ada.page.locator(".cm-lineNumbers").getByText("3", { exact: true }).waitFor();
  await choose(ada, "Line numbers");
  expect(await ada.page.locator(".cm-lineNumbers").count()).toBe(0);

  await choose(ada, "Find and replace");
  await ada.page.getByRole("textbox", { name: "Find" }).fill("red");
  await ada.page.getByRole("textbox", { name: "Replace" }).fill("green");
  await ada.page.getByRole("button", { name: "replace all" }).click();
  await ada.page.getByRole("button", { name: "close" }).click();
  await ada.shows("# Tomatoes\ngreen ones\nשלום");
}, 120_000);

test("the menu gives files out and takes them in, prints, and shows a code", async ({ stage }) => {
  const ada = await stage.tab(stage.newSecretRoom(), "Ada");
  await ada.insert("# Tomatoes\ngreen ones");
  const downloads: string[] = [];
  for (const form of ["Download as text", "Download as Markdown", "Download with history"]) {
    const started = ada.page.waitForEvent("download");
    await choose(ada, form);
    const download = await started;
    expect(download.suggestedFilename()).toMatch(/^room \d+\.(txt|md|crdt)$/);
    downloads.push(await download.path());
  }
  expect(await readFile(downloads[0]!, "utf8")).toBe("# Tomatoes\ngreen ones");

  const files = ada.page.locator("#file");
  const history = await readFile(downloads[2]!);
  await ada.press("Control+a");
  await files.setInputFiles({ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("from\r\na file") });
  await ada.shows("from\na file");
  const ben = await stage.tab(stage.newSecretRoom(), "Ben");
  await ben.page
    .locator("#file")
    .setInputFiles({ name: "a.crdt", mimeType: "", buffer: history });
  await ben.shows("# Tomatoes\ngreen ones");
  const bad = { name: "b.crdt", mimeType: "", buffer: Buffer.from("no document") };
  await ben.page.locator("#file").setInputFiles(bad);
  await ben.page.getByText("This file cannot be opened").waitFor();
  await ben.shows("# Tomatoes\ngreen ones");

  await ada.page.emulateMedia({ media: "print" });
  await ada.page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
  expect(await ada.page.locator("#paper").innerText()).toBe("from\na file");
  expect(await ada.page.getByRole("button").count()).toBe(0);
  await ada.page.emulateMedia({ media: "screen" });

  await choose(ada, "QR code of the link");
  const code = ada.page.getByRole("dialog").getByRole("img");
  expect(await code.getAttribute("aria-label")).toBe(ada.page.url());
  await ada.page.keyboard.press("Escape");
  expect(await ada.page.getByRole("dialog").isVisible()).toBe(false);
}, 120_000);

/** What axe finds in the page, as short lines. */
async function violations(tab: Tab): Promise<string[]> {
  return tab.page.evaluate(async () => {
    const { axe: checker } = globalThis as unknown as { axe: typeof axe };
    // The names at carets fade away; they stand in the list of people, too.
    const { violations: found } = await checker.run({ exclude: [".cm-remoteCursors"] });
    return found.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")} ${failureSummary ?? ""}`),
    );
  });
}

test("axe finds nothing, in light, dark and forced colours", async ({ stage }) => {
  const link = stage.newSecretRoom();
  const [ada, ben] = [await stage.tab(link, "Ada", { height: 800 }), await stage.tab(link, "Ben")];
  await ada.type("# A title\n[a link](https://example.org) and `code`");
  await ada.page.locator(".cm-line[dir=auto]").first().waitFor();
  await ada.page.evaluate(axe.source);
  expect(await violations(ada)).toEqual([]);
  for (const tab of [ada, ben]) await tab.connect();
  for (const tab of [ada, ben]) await tab.seesPeers(1);
  await choose(ada, "Find and replace");
  await ada.page.getByRole("textbox", { name: "Find" }).waitFor();
  await ada.page.getByText("Menu", { exact: true }).click();
  for (const [colorScheme, forcedColors] of [
    ["light", "none"],
    ["dark", "none"],
    ["dark", "active"],
  ] as const) {
    await ada.page.emulateMedia({ colorScheme, forcedColors });
    expect(await violations(ada), `${colorScheme}, ${forcedColors}`).toEqual([]);
  }
}, 120_000);
