// Puts texts into a page whose elements name them: `data-text` is the key of what an element says, `data-label`
// that of its accessible name.

import type { Texts } from "./en.js";

export function fillPage(root: Document, { language, page }: Texts): void {
  root.documentElement.lang = language;
  for (const element of root.querySelectorAll<HTMLElement>("[data-text]")) {
    element.textContent = page[element.dataset["text"] as keyof Texts["page"]];
  }
  for (const element of root.querySelectorAll<HTMLElement>("[data-label]")) {
    element.ariaLabel = page[element.dataset["label"] as keyof Texts["page"]];
  }
}
