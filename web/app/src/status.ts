import type { NetworkStatus, PeerLink } from "crdt-wasm";
import type { Counts } from "./counter.js";
import type { RoomKey } from "./room.js";

/** How the status line looks. */
export type StatusLook = "off" | "busy" | "on" | "failed";

export interface StatusLine {
  text: string;
  look: StatusLook;
}

/** The status in words; `null` while the network is not enabled. */
export function statusLine(status: NetworkStatus | null): StatusLine {
  if (status === null) return { text: "Not connected", look: "off" };
  const linked = `(${peerCount(status.peers.length)})`;
  switch (status.state) {
    case "connected":
      return { text: `Connected ${linked}`, look: "on" };
    case "connecting":
      return { text: "Connecting…", look: "busy" };
    case "reconnecting":
      return { text: `Reconnecting… ${linked}`, look: "busy" };
    case "error":
      return { text: "Connection failed", look: "failed" };
    case "disconnected":
      return { text: "Not connected", look: "off" };
  }
}

/** How the link to one peer stands, in words. */
export function linkText(link: PeerLink): string {
  return wayText(link) + (link.readOnly ? ", reads only" : "");
}

function wayText({ link, state, synced, problem }: PeerLink): string {
  switch (state) {
    case "connecting":
      return problem === null ? "connecting…" : "not reached yet, trying again…";
    case "indirect":
      return "reached through others";
    case "interrupted":
      return "interrupted, trying again…";
    case "open":
      return (synced ? "up to date" : "catching up…") + (link === "relay" ? ", through the server" : "");
  }
}

/**
 * What to do, or to know, as things stand; nothing where all is well. `secret` is what the page holds of its
 * room.
 */
export function hintText(status: NetworkStatus | null, secret: RoomKey): string {
  if (status === null || status.state === "error" || status.state === "disconnected") {
    return "Connect, and send others the link to this room.";
  }
  if (status.state === "reconnecting") {
    return "The server is away, and this page keeps trying. Tabs of this browser and everyone who is linked stay together; others cannot come in.";
  }
  if (secret === null) {
    return "This room has no key: anyone who knows its name can read and change the text.";
  }
  if (status.links.length === 0) {
    return "Nobody else is here yet. Send someone the link, as a whole: one with another key, or a part of it, leads elsewhere.";
  }
  return status.readOnly ? "You have a read-only link: you see the text, and cannot change it." : "";
}

/** Whether others may have text that is not here yet. */
export function isOnItsWay(status: NetworkStatus | null): boolean {
  if (status === null) return false;
  if (status.state === "connecting") return true;
  return status.links.some(({ synced, problem }) => !synced && problem === null);
}

/** What an empty text says. */
export function emptyText(status: NetworkStatus | null): string {
  return isOnItsWay(status) ? "The text of the others is on its way…" : "Write something…";
}

/** The size of the text, as people count. */
export function countText({ words, characters }: Counts): string {
  return `${plural(words, "word")} · ${plural(characters, "character")}`;
}

function peerCount(count: number): string {
  return plural(count, "peer");
}

function plural(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
