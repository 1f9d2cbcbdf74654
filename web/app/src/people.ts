import type { Participant } from "@crdt/codemirror";
import type { NetworkStatus } from "crdt-wasm";
import { colorOf, initialOf, nameIn } from "./name.js";
import { linkText } from "./status.js";
import { texts } from "./texts/index.js";

/** Someone in the list. */
interface Person {
  id: string;
  name: string;
  color: string;
  note: string;
  linked: boolean;
  /** Whether one can follow them, and does; `null` for oneself. */
  followed: boolean | null;
}

/** Who is in the room: this page first, then the others as they show themselves. */
export function peopleIn(
  me: { agentId: string; name: string; color: string },
  status: NetworkStatus | null,
  participants: readonly Participant[],
  followed: string | null = null,
): Person[] {
  const here = status !== null && (status.connected || status.links.length > 0);
  const others = (status?.links ?? []).map((link) => {
    const shown = participants.find(({ peer }) => peer === link.peer)?.user;
    return {
      id: link.peer,
      name: shown?.name || nameIn(link.peer),
      color: shown?.color ?? colorOf(link.peer),
      note: linkText(link) + (shown?.away === true ? `, ${texts.people.away}` : ""),
      linked: link.state !== "connecting",
      followed: link.peer === followed,
    };
  });
  const own = {
    id: me.agentId,
    name: me.name,
    color: me.color,
    note: here ? texts.people.you : texts.people.youNotConnected,
    linked: here,
    followed: null,
  };
  return [own, ...others];
}

/** Shows them; nothing is drawn again that is there already, however often others move. */
export function showPeople(list: HTMLUListElement, people: readonly Person[]): void {
  people.forEach((person, index) => {
    const drawn = list.children[index];
    const state = JSON.stringify(person);
    if (drawn instanceof HTMLElement && drawn.dataset["state"] === state) return;
    const item = row(person);
    item.dataset["state"] = state;
    if (drawn === undefined) list.append(item);
    else drawn.replaceWith(item);
  });
  while (list.children.length > people.length) list.lastElementChild?.remove();
}

function row({ id, name, color, note, linked, followed }: Person): HTMLLIElement {
  const badge = document.createElement("span");
  badge.className = "badge";
  badge.ariaHidden = "true";
  badge.textContent = initialOf(name);
  badge.style.setProperty("--person", color);

  const who = document.createElement(followed === null ? "span" : "button");
  who.className = "who";
  who.textContent = name;
  if (followed !== null) {
    who.title = texts.people.follow;
    who.ariaPressed = String(followed);
  }

  const how = document.createElement("span");
  how.className = "how";
  how.textContent = note;

  const item = document.createElement("li");
  item.dataset["peer"] = id;
  item.classList.toggle("away", !linked);
  item.append(badge, who, how);
  return item;
}
