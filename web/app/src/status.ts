import type { NetworkStatus, PeerLink } from "crdt-wasm";
import type { Counts } from "./counter.js";
import type { RoomKey } from "./room.js";
import { texts } from "./texts/index.js";

/** How the status line looks. */
export type StatusLook = "off" | "busy" | "on" | "failed";

export interface StatusLine {
  text: string;
  look: StatusLook;
}

/** The status in words; `null` while the network is not enabled. */
export function statusLine(status: NetworkStatus | null): StatusLine {
  const words = texts.status;
  if (status === null) return { text: words.notConnected, look: "off" };
  switch (status.state) {
    case "connected":
      return { text: words.connected(status.peers.length), look: "on" };
    case "connecting":
      return { text: words.connecting, look: "busy" };
    case "reconnecting":
      return { text: words.reconnecting(status.peers.length), look: "busy" };
    case "error":
      return { text: words.failed, look: "failed" };
    case "disconnected":
      return { text: words.notConnected, look: "off" };
  }
}

/** How the link to one peer stands, in words. */
export function linkText(link: PeerLink): string {
  const parts = [wayText(link)];
  if (link.state === "open" && link.link === "relay") parts.push(texts.people.throughServer);
  if (link.readOnly) parts.push(texts.people.readsOnly);
  return parts.join(", ");
}

function wayText({ state, synced, problem }: PeerLink): string {
  const words = texts.people;
  switch (state) {
    case "connecting":
      return problem === null ? words.connecting : words.notReached;
    case "indirect":
      return words.indirect;
    case "interrupted":
      return words.interrupted;
    case "open":
      return synced ? words.upToDate : words.catchingUp;
  }
}

/**
 * What to do, or to know, as things stand; nothing where all is well. `secret` is what the page holds of its
 * room.
 */
export function hintText(status: NetworkStatus | null, secret: RoomKey): string {
  const hints = texts.hints;
  if (status === null || status.state === "error" || status.state === "disconnected") {
    return hints.connect;
  }
  if (status.state === "reconnecting") return hints.serverAway;
  if (secret === null) return hints.noKey;
  if (status.links.length === 0) return hints.alone;
  return status.readOnly ? hints.readOnly : "";
}

/** Whether others may have text that is not here yet. */
export function isOnItsWay(status: NetworkStatus | null): boolean {
  if (status === null) return false;
  if (status.state === "connecting") return true;
  return status.links.some(({ synced, problem }) => !synced && problem === null);
}

/** What an empty text says. */
export function emptyText(status: NetworkStatus | null): string {
  return isOnItsWay(status) ? texts.editor.comingFromOthers : texts.editor.empty;
}

/** The size of the text, as people count. */
export function countText({ words, characters }: Counts): string {
  return texts.editor.count(words, characters);
}
