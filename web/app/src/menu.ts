// The menu: what can be done with the text.

import { type CollabEditor, compositionOver } from "@crdt/codemirror";
import { download, type FileKind, printWhole, takeIn } from "./files.js";
import { page } from "./page.js";

const NUMBERS_KEY = "numbers";

/** What the menu needs of the page. */
export interface MenuHost {
  /** The name of the room, for files. */
  room(): string;
  /** Shows the history in the place of the text. */
  openHistory(): Promise<void>;
  /** The link to the room. */
  link(): string;
  showError(error: unknown): void;
  stored(key: string): string | null;
  store(key: string, value: string | null): void;
}

/** Has the buttons of the menu act on the editor. */
export function serveMenu({ view, document: replica }: CollabEditor, host: MenuHost): void {
  // Loaded once one can write.
  const loading = import("./writing_aids.js").then(async (aids) => {
    await compositionOver(view);
    aids.addWritingAids(view, host.stored(NUMBERS_KEY) !== null);
    return aids;
  });
  loading.catch(host.showError);
  const act = (button: HTMLButtonElement, action: () => unknown) =>
    button.addEventListener("click", () => {
      page.menu.open = false;
      Promise.resolve()
        .then(action)
        .catch((error: unknown) => host.showError(error));
    });

  act(page.find, async () => (await loading).openSearchPanel(view));
  showPressed(host.stored(NUMBERS_KEY) !== null);
  act(page.numbers, async () => {
    const on = host.stored(NUMBERS_KEY) === null;
    host.store(NUMBERS_KEY, on ? "yes" : null);
    showPressed(on);
    (await loading).showNumbers(view, on);
  });

  act(page.showHistory, () => host.openHistory());

  act(page.openFile, () => page.file.click());
  page.file.addEventListener("change", () => {
    const [file] = page.file.files ?? [];
    page.file.value = "";
    if (file !== undefined) takeIn(file, replica, view).catch(host.showError);
  });
  const kinds: [HTMLButtonElement, FileKind][] = [
    [page.saveText, "text"],
    [page.saveMarkdown, "markdown"],
    [page.saveHistory, "history"],
  ];
  for (const [button, kind] of kinds) act(button, () => download(replica, kind, host.room()));
  printWhole(page.paper, () => replica.getText());
  act(page.print, () => window.print());
  act(page.showCode, () => showCode(host.link()));

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !page.menu.open) return;
    page.menu.open = false;
    page.menu.querySelector("summary")?.focus();
  });
}

function showPressed(on: boolean): void {
  page.numbers.ariaPressed = String(on);
}

/** Shows the link as a QR code, for the camera of a phone. */
async function showCode(link: string): Promise<void> {
  const { renderSVG } = await import("uqr");
  const svg = new DOMParser().parseFromString(renderSVG(link), "image/svg+xml").documentElement;
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", link);
  page.code.querySelector(".code")?.replaceChildren(document.importNode(svg, true));
  page.code.showModal();
}
