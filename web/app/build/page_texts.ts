import type { Plugin } from "vite";
import { en } from "../src/texts/en.js";

/**
 * Writes the English texts into index.html, whose elements only name them, so that they are there before any script
 * runs. The page itself replaces them where another language is preferred.
 */
export function pageTexts(): Plugin {
  return {
    name: "page-texts",
    transformIndexHtml: { order: "pre", handler: withTexts },
  };
}

/** The page with its texts: `data-text` names what an element says, `data-label` its label, `%…%` a part of a value. */
export function withTexts(html: string): string {
  return html
    .replace(/(<[^<>]*\sdata-text="(\w+)"[^<>]*>)/g, (_all, tag: string, key: string) => tag + textOf(key))
    .replace(/data-label="(\w+)"/g, (all, key: string) => `${all} aria-label="${textOf(key)}"`)
    .replace(/%(\w+)%/g, (_all, key: string) => textOf(key));
}

function textOf(key: string): string {
  const text = (en.page as Record<string, string>)[key];
  if (text === undefined) throw new Error(`index.html names a text that is not there: ${key}`);
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
