// The app for everyone: without a pointer, in another language, on narrow and wide screens, without motion.
import { expect } from "vitest";
import { test } from "../src/stage.js";
import { PATIENCE_MS, type Tab } from "../src/tab.js";

/** More than there are controls. */
const MOST_STEPS = 80;

/** The accessible name of what has the focus, roughly as browsers compute it; nothing where that is the page. */
function focusedName(tab: Tab): Promise<string> {
  return tab.page.evaluate(() => {
    const one = document.activeElement;
    if (one === null || one === document.body) return "";
    const label = one instanceof HTMLInputElement ? one.labels?.[0]?.textContent : undefined;
    return (one.ariaLabel ?? label ?? one.textContent ?? "").trim().replaceAll(/\s+/g, " ");
  });
}

/** Goes on by the key Tab until the control of this name has the focus. */
async function tabTo(tab: Tab, name: string): Promise<void> {
  for (let step = 0; step < MOST_STEPS; step += 1) {
    if ((await focusedName(tab)) === name) return;
    await tab.page.keyboard.press("Tab");
  }
  throw new Error(`Tab leads to no control with the name ${name}`);
}

async function enter(tab: Tab, name: string): Promise<void> {
  await tabTo(tab, name);
  await tab.page.keyboard.press("Enter");
}

test("Tab, Enter and Escape lead to all that a pointer does", async ({ stage }) => {
  const link = stage.newSecretRoom();
  const ada = await stage.tab(link, "Ada", { height: 800 });
  await ada.type("Some text.");
  await ada.page.locator(".cm-line[dir=auto]").waitFor();

  // Every control that is to be seen is reached, also those in what opens.
  await ada.page.evaluate(() => (document.activeElement as HTMLElement).blur());
  const reached = new Set<string>();
  for (let step = 0; step < MOST_STEPS; step += 1) {
    await ada.page.keyboard.press("Tab");
    const mark = await ada.page.evaluate((number) => {
      const one = document.activeElement as HTMLElement;
      const closed = one instanceof HTMLElement && one.matches("details:not([open]) > summary");
      const isNew = one.dataset["reached"] === undefined && one !== document.body;
      if (isNew) one.dataset["reached"] = String(number);
      return { isNew, closed };
    }, step);
    if (mark.closed) await ada.page.keyboard.press("Enter");
    if (!mark.isNew && reached.size > 0 && step > MOST_STEPS / 2) break;
    reached.add(String(step));
  }
  const missed = await ada.page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("a[href], button, input, select, summary, [contenteditable=true]")]
      .filter((one) => one.checkVisibility() && !one.matches(":disabled"))
      .filter((one) => one.dataset["reached"] === undefined)
      .map((one) => one.outerHTML),
  );
  expect(missed).toEqual([]);
  await ada.page.evaluate(() => {
    for (const one of document.querySelectorAll("details")) one.open = false;
  });

  // The way past the bar leads to the text, and leaves the room as it is.
  const address = ada.page.url();
  await enter(ada, "Skip to the text");
  expect(await focusedName(ada)).toBe("The shared text");
  expect(ada.page.url()).toBe(address);

  await enter(ada, "Menu");
  await enter(ada, "Find and replace");
  await ada.page.getByRole("textbox", { name: "Find" }).waitFor();
  await ada.page.keyboard.press("Escape");
  await expect.poll(() => focusedName(ada), { timeout: PATIENCE_MS }).toBe("The shared text");

  await enter(ada, "Menu");
  await ada.page.keyboard.press("Escape");
  expect(await focusedName(ada)).toBe("Menu");
  await ada.page.keyboard.press("Enter");
  await enter(ada, "QR code of the link");
  await ada.page.getByRole("dialog").waitFor();
  await ada.page.keyboard.press("Escape");
  await expect.poll(() => ada.page.getByRole("dialog").isVisible()).toBe(false);

  await enter(ada, "Menu");
  await enter(ada, "History");
  await expect.poll(() => focusedName(ada), { timeout: PATIENCE_MS }).toBe("Moment");
  await ada.page.keyboard.press("Escape");
  await expect.poll(() => focusedName(ada), { timeout: PATIENCE_MS }).toBe("The shared text");

  await enter(ada, "Connect to Network");
  await ada.seesPeers(0);
  await enter(ada, "Menu");
  await enter(ada, "Disconnect");
  await expect.poll(() => ada.status(), { timeout: PATIENCE_MS }).toBe("Not connected");
}, 120_000);

test("in German all of it is German, and fits on narrow and wide screens, without motion", async ({
  stage,
}) => {
  const link = stage.newSecretRoom();
  const ada = await stage.emptyTab({ locale: "de-AT" });
  await ada.page.emulateMedia({ reducedMotion: "reduce" });
  await ada.page.goto(link);
  await ada.isOpen();
  await ada.type("Ein Wort");
  await ada.page.getByText("2 Wörter · 8 Zeichen").waitFor();
  await ada.page.getByText("Auf diesem Gerät gesichert").waitFor();
  await expect.poll(() => ada.status(), { timeout: PATIENCE_MS }).toBe("Verbunden (0 Verbindungen)");
  expect(await ada.page.locator("html").getAttribute("lang")).toBe("de");
  expect(await ada.page.getByRole("heading", { level: 1 }).textContent()).toBe("Zusammen schreiben");
  const reason = ada.page.locator("#doctor [data-stage=signaling] .detail");
  await expect
    .poll(() => reason.textContent(), { timeout: PATIENCE_MS })
    .toBe("mit dem Server verbunden");
  await ada.page.locator(".cm-line[dir=auto]").waitFor();
  const menu = ada.page.getByText("Menü", { exact: true });
  await menu.click();
  await ada.page.getByRole("button", { name: "Suchen und ersetzen" }).click();
  await ada.page.getByRole("textbox", { name: "Suchen" }).waitFor();

  const moving = () =>
    ada.page.evaluate(() =>
      document.getAnimations().filter((one) => one.effect?.getTiming().easing === "ease-in-out").length,
    );
  expect(await moving()).toBe(0);

  /** How far the page reaches beyond the screen, to the side. */
  const overflow = () =>
    ada.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      const cut = [...document.querySelectorAll<HTMLElement>("button, summary, input, select, output")]
        .filter((one) => one.checkVisibility())
        .filter((one) => one.getBoundingClientRect().right > clientWidth + 1)
        .map((one) => one.outerHTML);
      return { beyond: scrollWidth - clientWidth, cut };
    });
  for (const [width, height] of [
    [320, 640],
    [3840, 2160],
  ] as const) {
    await ada.page.setViewportSize({ width, height });
    expect(await overflow(), `${width} px`).toEqual({ beyond: 0, cut: [] });
    await menu.click();
    expect(await overflow(), `${width} px, the menu`).toEqual({ beyond: 0, cut: [] });
    await ada.page.getByRole("button", { name: "Verlauf", exact: true }).click();
    await ada.page.getByRole("button", { name: "Abspielen" }).waitFor();
    expect(await overflow(), `${width} px, the history`).toEqual({ beyond: 0, cut: [] });
    await ada.page.getByRole("button", { name: "Schließen" }).click();
  }
}, 120_000);
