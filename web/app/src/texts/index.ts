// The texts of the interface, in the language that the browser's user prefers among those that are here.

import { de } from "./de.js";
import { en, type Texts } from "./en.js";

export type { Texts };

/** Every language that the page has, English first. */
export const languages: readonly Texts[] = [en, de];

/** The texts in the first of the preferred languages that is here; in English where none is. */
export function textsFor(preferred: readonly string[]): Texts {
  for (const wanted of preferred) {
    const [language = ""] = wanted.toLowerCase().split("-");
    const found = languages.find((texts) => texts.language === language);
    if (found !== undefined) return found;
  }
  return en;
}

/** The texts of this page. */
export const texts: Texts = textsFor(globalThis.navigator?.languages ?? []);
