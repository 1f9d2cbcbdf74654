import type { NetworkStatus } from "crdt-wasm";
import { hueOf, initialOf, nameIn } from "./name.js";
import { linkText } from "./status.js";

/** Shows who is in the room: this page first, then the others. */
export function showPeople(list: HTMLUListElement, me: string, status: NetworkStatus | null): void {
  const here = status !== null && (status.connected || status.links.length > 0);
  const others = (status?.links ?? []).map((link) =>
    row(link.peer, nameIn(link.peer), linkText(link), link.state !== "connecting"),
  );
  list.replaceChildren(row(me, nameIn(me), here ? "you" : "you, not connected", here), ...others);
}

function row(id: string, name: string, note: string, linked: boolean): HTMLLIElement {
  const badge = document.createElement("span");
  badge.className = "badge";
  badge.ariaHidden = "true";
  badge.textContent = initialOf(name);
  badge.style.setProperty("--hue", String(hueOf(id)));

  const who = document.createElement("span");
  who.className = "who";
  who.textContent = name;

  const how = document.createElement("span");
  how.className = "how";
  how.textContent = note;

  const item = document.createElement("li");
  item.dataset["peer"] = id;
  item.classList.toggle("away", !linked);
  item.append(badge, who, how);
  return item;
}
