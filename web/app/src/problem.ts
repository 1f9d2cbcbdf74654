import type { CrdtErrorCode } from "crdt-wasm";
import type { Problem } from "./problem_view.js";
import { reasonText } from "./reasons.js";
import { texts } from "./texts/index.js";

/** What is no failure of a call, but has to be told all the same. */
export type NoticeCode = "outdated_here" | "outdated_peer" | "diverged";

/** What the app itself refuses. */
export type RefusalCode = "read_only" | "bad_file";

/** What is said with these is in the language of the page already. */
const NOTICES = new Set<NoticeCode>(["outdated_here", "outdated_peer", "diverged"]);

/** What goes on by itself, so that nobody has to be told beside the status and the list of people. */
const QUIET = new Set<CrdtErrorCode>([
  "interrupted",
  "destroyed",
  "signaling_lost",
  "peer_unavailable",
  "peer_closed",
]);

/** The error in words, or `null` where it is of no concern to a person. */
export function problemOf(error: unknown): Problem | null {
  const code = codeOf(error);
  if ((QUIET as Set<string>).has(code)) return null;
  const words = Object.hasOwn(texts.problems, code) ? code : "other";
  const message = error instanceof Error ? error.message : String(error);
  const isInWords = code === "" || (NOTICES as Set<string>).has(code);
  const said = isInWords ? message : (reasonText(message) ?? "");
  return {
    ...texts.problems[words as keyof typeof texts.problems],
    detail: code === "" ? said : `${said} (${code})`.trimStart(),
    needsToken: code === "unauthorized" || code === "forbidden",
  };
}

/** An error with a code, for what comes as an event. */
export function coded(code: CrdtErrorCode | NoticeCode | RefusalCode, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error && "code" in error ? error.code : "";
  return typeof code === "string" ? code : "";
}
