import type { CrdtErrorCode } from "crdt-wasm";

/** A failure in words for a person. */
export interface Problem {
  title: string;
  /** What to do. */
  advice: string;
  /** What the program said, for whoever is asked for help. */
  detail: string;
  /** Whether a token may help, which the page asks for then. */
  needsToken?: boolean;
}

const TRY_AGAIN = "Press Connect to Network to try again.";
const KEEPS_TRYING = "This page keeps trying, and the text is saved here meanwhile.";

type Words = [title: string, advice: string];

/** What is no failure of a call, but has to be told all the same. */
export type NoticeCode = "outdated_here" | "outdated_peer" | "diverged";

const KNOWN: Partial<Record<CrdtErrorCode | NoticeCode, Words>> = {
  webrtc_unavailable: [
    "This browser cannot connect directly",
    "WebRTC is missing or switched off. Use a current Firefox, Chrome, Edge or Safari, or allow WebRTC in the settings.",
  ],
  websocket_unavailable: [
    "This browser cannot reach a server",
    "WebSocket is missing or switched off. Use a current Firefox, Chrome, Edge or Safari.",
  ],
  cipher_unavailable: [
    "This page cannot open a room with a key",
    "Open it by https, or from localhost, in a current Firefox, Chrome, Edge or Safari. Until then your text stays on this device.",
  ],
  forbidden: [
    "The server does not let you in",
    "Your link's permission is for another room, or has ended. Ask for the link again, or put in another permission.",
  ],
  unauthorized: [
    "The server does not let you in",
    "It asks for a permission. Ask for a link that has one, or put it in here.",
  ],
  random_unavailable: ["This browser has no random numbers", "Use a current browser."],
  bad_url: [
    "That is no address of a server",
    "It has to look like ws://localhost:8080 or wss://example.org/ws. Correct it under Server.",
  ],
  bad_id: [
    "That name cannot be used",
    "Choose a shorter name, of letters and digits, and connect again.",
  ],
  invalid_id: [
    "The server does not take that name",
    "Choose a shorter name, of letters and digits, and connect again.",
  ],
  invalid_room: ["The server does not take this room's name", "Start a new room."],
  signaling_unreachable: [
    "The server cannot be reached",
    `Check that it runs, that its address under Server is right, and that you are online. ${KEEPS_TRYING}`,
  ],
  signaling_timeout: [
    "The server does not answer",
    `Check that its address under Server is right, and the network. ${KEEPS_TRYING}`,
  ],
  signaling_refused: ["The server refused", TRY_AGAIN],
  signaling_closed: ["The server ended the connection", TRY_AGAIN],
  signaling_unreadable: [
    "The server speaks another language",
    "It is not the server that this page knows, or of another version. Check its address under Server.",
  ],
  replaced: [
    "You are connected from another tab",
    "This one was let go in its favour. Connect again to bring it back.",
  ],
  agent_id_taken: ["Someone of that name is here", "Choose another name, and connect again."],
  room_full: [
    "This room is full",
    "You get in when someone leaves: this page keeps trying. Or start a new room.",
  ],
  too_many_rooms: ["The server has no space for another room", "Try again in a while."],
  unsupported_protocol: [
    "The server is of another version",
    "Reload this page to get the version that fits.",
  ],
  peer_unreachable: [
    "No direct connection to someone in the room",
    "Your networks do not let it through. On the same network it works; elsewhere a TURN server is needed.",
  ],
  too_many_connections: [
    "Too many connections",
    "This browser cannot open more. Close other tabs of this room.",
  ],
  wrong_key: [
    "Someone here has another link to this room",
    "The two links differ in the part behind the #, so you two are not connected. Open the room by the same link, copied as a whole.",
  ],
  agent_in_use: [
    "Someone else edits as if they were you",
    "Edits may get lost. Copy what you need, and reload this page.",
  ],
  outdated_here: [
    "Someone here has a newer version of this page",
    "Reload this page, and load the new version where it is offered.",
  ],
  outdated_peer: [
    "Someone here has an older version of this page",
    "You two are not connected. Ask them to reload it.",
  ],
  diverged: [
    "Two texts differ that should be the same",
    "Two edits were given out as one. Copy your text, compare it with theirs, and go on in a new room.",
  ],
};

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
  const [title, advice] = (KNOWN as Partial<Record<string, Words>>)[code] ?? [
    "Something went wrong",
    "Your text is still here. Try again; if that does not help, copy it and reload the page.",
  ];
  const message = error instanceof Error ? error.message : String(error);
  return {
    title,
    advice,
    detail: code === "" ? message : `${message} (${code})`,
    needsToken: code === "unauthorized" || code === "forbidden",
  };
}

/** An error with a code, for what comes as an event. */
export function coded(code: CrdtErrorCode | NoticeCode, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error && "code" in error ? error.code : "";
  return typeof code === "string" ? code : "";
}
