import type { Diagnosis, DoctorStage, NetworkStatus } from "crdt-wasm";
import { nameIn } from "./name.js";

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

interface Words {
  title: string;
  /** The verdict where it fails. */
  failure: string;
  advice: string;
}

/** For the stage of the room where the server has let this page in: somebody in it has another key. */
const OTHER_LINK: Words = {
  title: "The room",
  failure: "Someone has another link",
  advice: "Open the room by the same link on both sides: copy the whole of it, with the key.",
};

const STAGES: Record<DoctorStage, Words> = {
  environment: {
    title: "This browser",
    failure: "This browser lacks something",
    advice:
      "Use a current Firefox, Chrome, Edge or Safari, allow WebRTC in its settings, and open the page by https. A room whose link has a key needs no WebRTC: there the text can go, encrypted, through the server.",
  },
  signaling: {
    title: "The server",
    failure: "The server cannot be reached",
    advice:
      "Check that you are online, that the address under Server is right, that the server runs, and that no proxy or firewall blocks WebSockets. This page keeps trying if it was connected before.",
  },
  room: {
    title: "The room",
    failure: "The server does not let you in",
    advice: "Choose another name or start a new room, and connect again.",
  },
  offer: {
    title: "Meeting the others",
    failure: "Someone does not answer",
    advice: "Their page may be asleep or gone. Ask them to look at it, or to reload it.",
  },
  ice: {
    title: "A path through the networks",
    failure: "Your networks block a direct path",
    advice:
      "Open the room by a link with a key in it, as new rooms have: then the text goes, encrypted, through the server. Or meet on the same network, or have a TURN server set up.",
  },
  channel: {
    title: "The link",
    failure: "A link broke off",
    advice: "It is made anew by itself. If that goes on, the network is not stable: try another one.",
  },
  sync: {
    title: "The text",
    failure: "A text cannot be exchanged",
    advice:
      "Copy what you need, and reload the page on both sides, so that both run the same version.",
  },
};

/** What the doctor found, in a person's words; `null` where nobody has tried to connect. */
export function findings(diagnosis: Diagnosis | null, status: NetworkStatus | null): Findings {
  if (diagnosis === null) {
    return {
      verdict: "Not connected",
      look: "off",
      advice: "Press Connect to Network: then every step of it is looked at here.",
      stages: [],
    };
  }
  const stages = diagnosis.checks.map(({ stage, ok, detail }) => ({
    stage,
    title: STAGES[stage].title,
    outcome: outcomeOf(ok, detail),
    detail: withNames(detail, status),
  }));
  if (diagnosis.stage !== null) {
    const isInside = diagnosis.stage === "room" && status?.state === "connected";
    const { failure, advice } = isInside ? OTHER_LINK : STAGES[diagnosis.stage];
    return { verdict: failure, look: "bad", advice, stages };
  }
  if (stages.some(({ outcome }) => outcome === "under way")) {
    return { verdict: "Under way…", look: "busy", advice: null, stages };
  }
  return { verdict: "All is well", look: "good", advice: null, stages };
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
    write(item.querySelector(".outcome"), outcome);
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
