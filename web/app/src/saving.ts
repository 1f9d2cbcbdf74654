// Whether the text is kept, in words, and whether leaving the page would lose some of it.

import type { NetworkStatus } from "crdt-wasm";
import type { StoredStatus } from "crdt-wasm/storage";
import { reasonText } from "./reasons.js";
import { texts } from "./texts/index.js";

export interface SavingLine {
  text: string;
  look: "good" | "bad";
}

/** What the line under the text says of this device. */
export function savingLine(stored: StoredStatus | null): SavingLine {
  if (stored === null) return { text: "", look: "good" };
  const { problem } = stored;
  const reason = problem === null ? "" : (texts.storageProblems[problem.code] ?? inWords(problem.message));
  if (stored.state === "unsaved") return { text: texts.saving.unsaved(reason), look: "bad" };
  if (problem !== null) return { text: reason, look: "bad" };
  // What is on its way is saved within a moment, and a word that flickers is read out again and again.
  return { text: texts.saving.saved, look: "good" };
}

/** Whether a server has the text, in words; nothing where no server keeps it, or that is not known yet. */
export function serverLine(network: NetworkStatus | null): SavingLine {
  const { ahead, problem } = network?.kept ?? { ahead: null, problem: null };
  // That no server keeps it is the rule for rooms without a key, and for many servers.
  if (ahead === null) return { text: "", look: "good" };
  if (problem !== null) return { text: texts.saving.notAtServer(inWords(problem)), look: "bad" };
  return { text: ahead === 0 ? texts.saving.atServer : texts.saving.aheadOfServer, look: "good" };
}

/** Whether something of the text is on this page alone. */
export function wouldLose(stored: StoredStatus | null, network: NetworkStatus | null): boolean {
  if (stored?.state !== "unsaved") return false;
  if (network === null) return true;
  return network.shared.length === 0 && network.kept.ahead !== 0;
}

function inWords(reason: string): string {
  return reasonText(reason) ?? texts.otherReason;
}
