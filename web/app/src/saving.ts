// Whether the text is kept, in words, and whether leaving the page would lose some of it.

import type { NetworkStatus } from "crdt-wasm";
import type { StoredStatus } from "crdt-wasm/storage";

export interface SavingLine {
  text: string;
  look: "good" | "bad";
}

/** What the line under the text says. */
export function savingLine(stored: StoredStatus | null): SavingLine {
  if (stored === null) return { text: "", look: "good" };
  if (stored.state === "unsaved") {
    return { text: `Not saved on this device: ${stored.problem?.message ?? ""}`, look: "bad" };
  }
  if (stored.problem !== null) return { text: stored.problem.message, look: "bad" };
  // What is on its way is saved within a moment, and a word that flickers is read out again and again.
  return { text: "Saved on this device", look: "good" };
}

/** Whether something of the text is on this page alone. */
export function wouldLose(stored: StoredStatus | null, network: NetworkStatus | null): boolean {
  if (stored?.state !== "unsaved") return false;
  if (network === null) return true;
  return network.shared.length === 0 && network.kept.ahead !== 0;
}
