import { mkdir, writeFile } from "node:fs/promises";
import { expect } from "vitest";
import { type Stage, test } from "../src/stage.js";
import type { Tab } from "../src/tab.js";

const WIDTH = 860;
const HEIGHT = 640;
// SCREENSHOT=1 puts the pictures into docs/images; otherwise the working tree stays as it is.
const folder = new URL(
  process.env["SCREENSHOT"] ? "../../../docs/images/" : "../results/",
  import.meta.url,
);

/** The tabs in windows beside each other, as one picture. */
async function pictureOf(stage: Stage, tabs: Tab[]): Promise<Buffer> {
  const windows: string[] = [];
  for (const tab of tabs) {
    // Away from the button that was pressed last.
    await tab.page.mouse.move(0, 0);
    const image = (await tab.page.screenshot({ caret: "initial" })).toString("base64");
    windows.push(`<figure><div><i></i><i></i><i></i></div>
      <img width="${WIDTH}" height="${HEIGHT}" src="data:image/png;base64,${image}"></figure>`);
  }
  const { page } = await stage.emptyTab();
  await page.setViewportSize({ width: 2 * WIDTH + 120, height: HEIGHT + 120 });
  await page.setContent(`<style>
    body { margin: 0; display: flex; gap: 36px; justify-content: center; align-items: center;
      height: 100vh; background: linear-gradient(120deg, #dfe1fd, #efe9fb); }
    figure { margin: 0; overflow: hidden; border-radius: 12px; background: #e2e2ea;
      box-shadow: 0 10px 36px #312e8133; }
    figure div { display: flex; gap: 8px; padding: 10px 14px; }
    i { width: 11px; height: 11px; border-radius: 50%; background: #b9b9c6; }
    img { display: block; }
  </style>${windows.join("")}`);
  return page.screenshot();
}

test("two tabs side by side; one of them wide, dark, on a phone, and with its history", async ({ stage }) => {
  const link = `${stage.server.url}/?room=garden`;
  const ada = await stage.tab(link, "Ada");
  const bob = await stage.tab(link, "Bob");
  for (const tab of [ada, bob]) {
    await tab.page.setViewportSize({ width: WIDTH, height: HEIGHT });
    await tab.connect();
  }
  for (const tab of [ada, bob]) await tab.seesPeers(1);

  await ada.type("Garden diary 🌱\n\nThe peas are up! Eleven of them, in a crooked row.\n");
  await bob.shows("Garden diary 🌱\n\nThe peas are up! Eleven of them, in a crooked row.\n");
  await bob.select("Garden diary 🌱\n\nThe peas are up! Eleven of them, in a crooked row.\n".length);
  await bob.type("\nTo do\n— string, a lot of string\n— a second bucket, for the snails 🐌");
  await ada.select("Garden diary 🌱\n\nThe peas are up!".length);
  await ada.type(" At last.");
  const text =
    "Garden diary 🌱\n\nThe peas are up! At last. Eleven of them, in a crooked row.\n" +
    "\nTo do\n— string, a lot of string\n— a second bucket, for the snails 🐌";
  for (const tab of [ada, bob]) await tab.shows(text);
  for (const tab of [ada, bob]) await tab.page.getByText("144 characters").waitFor();

  await keep("two-tabs", await pictureOf(stage, [ada, bob]));

  await ada.page.setViewportSize({ width: 1180, height: 720 });
  await keep("desktop", await ada.page.screenshot());
  await ada.page.emulateMedia({ colorScheme: "dark" });
  await keep("dark", await ada.page.screenshot());
  await bob.page.setViewportSize({ width: 390, height: 720 });
  await bob.page.evaluate(() => scrollTo(0, 0));
  await keep("phone", await bob.page.screenshot());

  await ada.page.emulateMedia({ colorScheme: "light" });
  await ada.page.getByText("Menu", { exact: true }).click();
  await ada.page.getByRole("button", { name: "History", exact: true }).click();
  await ada.page.locator("#history .by").first().waitFor();
  await ada.page.mouse.move(0, 0);
  await keep("history", await ada.page.screenshot());
});

async function keep(name: string, picture: Buffer): Promise<void> {
  expect(picture.length).toBeGreaterThan(10_000);
  await mkdir(folder, { recursive: true });
  await writeFile(new URL(`${name}.png`, folder), picture);
}
