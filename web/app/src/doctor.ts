import type { Diagnosis, DoctorStage, NetworkStatus } from "crdt-wasm";
import { nameIn } from "./name.js";
import { reasonText } from "./reasons.js";
import { texts } from "./texts/index.js";

/** How a stage came out. */
export type Outcome = "works" | "fails" | "under way" | "not reached";

/** One line of the panel. */
export interface StageLine {
  stage: DoctorStage;
  title: string;
  outcome: Outcome;
  detail: string;
}

/** What the panel says. */
export interface Findings {
  /** In a few words, for the line that is always there. */
  verdict: string;
  look: "off" | "busy" | "good" | "bad";
  /** What is the matter, and what to do about it; nothing where all is well. */
  advice: string | null;
  stages: StageLine[];
}

/** What the doctor found, in a person's words; `null` where nobody has tried to connect. */
export function findings(diagnosis: Diagnosis | null, status: NetworkStatus | null): Findings {
  const words = texts.check;
  if (diagnosis === null) {
    return { ...words.off, look: "off", stages: [] };
  }
  const stages = diagnosis.checks.map(({ stage, ok, detail }) => ({
    stage,
    title: words.stages[stage].title,
    outcome: outcomeOf(ok, detail),
    // The outcome and the advice are in the language of the page in any case.
    detail: withNames(reasonText(detail) ?? "", status),
  }));
  if (diagnosis.stage !== null) {
    const isInside = diagnosis.stage === "room" && status?.state === "connected";
    const { failure, advice } = isInside ? words.otherLink : words.stages[diagnosis.stage];
    return { verdict: failure, look: "bad", advice, stages };
  }
  if (stages.some(({ outcome }) => outcome === "under way")) {
    return { verdict: words.underWay, look: "busy", advice: null, stages };
  }
  return { verdict: words.good, look: "good", advice: null, stages };
}

/** Shows the findings. What is there already stays in the page, so that nothing is read out twice. */
export function showFindings(panel: HTMLElement, { verdict, look, advice, stages }: Findings): void {
  panel.dataset["look"] = look;
  write(panel.querySelector(".verdict"), verdict);
  write(panel.querySelector(".advice"), advice ?? "");
  const list = panel.querySelector("ol");
  if (list === null) return;
  while (list.children.length > stages.length) list.lastElementChild?.remove();
  while (list.children.length < stages.length) list.append(line());
  stages.forEach(({ stage, title, outcome, detail }, index) => {
    const item = list.children[index] as HTMLElement;
    item.dataset["stage"] = stage;
    item.dataset["outcome"] = outcome;
    write(item.querySelector(".title"), title);
    write(item.querySelector(".outcome"), texts.check.outcomes[outcome]);
    write(item.querySelector(".detail"), detail);
  });
}

function outcomeOf(ok: boolean | null, detail: string): Outcome {
  if (ok === null) return detail === "not reached" ? "not reached" : "under way";
  return ok ? "works" : "fails";
}

/** People are called by their names, not by the ids under which the network knows them. */
function withNames(detail: string, status: NetworkStatus | null): string {
  return (status?.links ?? []).reduce(
    (text, { peer }) => text.replaceAll(peer, nameIn(peer)),
    detail,
  );
}

function line(): HTMLLIElement {
  const item = document.createElement("li");
  for (const name of ["title", "outcome", "detail"]) {
    const part = document.createElement("span");
    part.className = name;
    item.append(part);
  }
  return item;
}

/** Written only when it differs, since screen readers read out what is written. */
function write(element: Element | null, text: string): void {
  if (element !== null && element.textContent !== text) element.textContent = text;
}
