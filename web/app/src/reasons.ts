// What crdt-wasm says of a connection, which it does in English, in the language of the page.

import { type Texts, texts } from "./texts/index.js";

/** The length of the longest reason that is looked at, in UTF-16 units. A server can send reasons of any length. */
const MOST_UNITS = 1000;

/**
 * A reason that `crdt-wasm` gives, in the language of the page; `null` where that language has no words for it.
 * Names and numbers in it stay as they are.
 */
export function reasonText(reason: string, { language, reasons }: Texts = texts): string | null {
  if (language === "en") return reason;
  return reason.length > MOST_UNITS ? null : translated(reason, reasons);
}

function translated(reason: string, reasons: Texts["reasons"]): string | null {
  for (const [english, own] of Object.entries(reasons)) {
    const parts = partsOf(english, reason)?.map(({ kind, text }) =>
      kind === "$" ? text : translated(text, reasons),
    );
    if (parts === undefined || parts.includes(null)) continue;
    return own.replace(/[$%]/g, () => parts.shift() ?? "");
  }
  return null;
}

/** What stands in a reason where a template has `$` and `%`; nothing where the reason is another one. */
function partsOf(template: string, reason: string): { kind: string; text: string }[] | undefined {
  const kinds = template.match(/[$%]/g) ?? [];
  const pattern = template
    .split(/[$%]/)
    .map((fixed) => fixed.replace(/[.*+?^()[\]{}|\\]/g, "\\$&"))
    .join("(.+?)");
  const [, ...found] = new RegExp(`^${pattern}$`, "s").exec(reason) ?? [];
  if (found.length !== kinds.length || (kinds.length === 0 && template !== reason)) return undefined;
  return found.map((text, index) => ({ kind: kinds[index] ?? "", text }));
}
