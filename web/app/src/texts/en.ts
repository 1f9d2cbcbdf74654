// The texts of the interface in English. Every other language has the same keys.

/** A number with its noun. */
function plural(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

const TRY_AGAIN = "Press Connect to Network to try again.";
const KEEPS_TRYING = "This page keeps trying, and the text is saved here meanwhile.";
const CURRENT_BROWSER = "Use a current Firefox, Chrome, Edge or Safari.";

export const en = {
  /** The language as HTML and `Intl` name it. */
  language: "en",

  /** What stands in index.html, by its `data-text` and `data-label`. */
  page: {
    title: "Write together",
    description: "Write a text together, from browser to browser.",
    skip: "Skip to the text",
    room: "Room",
    copyLink: "Copy link",
    moreLinks: "More links",
    copyReadLink: "Copy read-only link",
    readLinkNote: "Whoever has it follows the text, and cannot change it.",
    newLink: "New link",
    newLinkNote: "Takes your text to a new room. Links to this one do not lead there.",
    newRoom: "New room",
    menu: "Menu",
    find: "Find and replace",
    numbers: "Line numbers",
    history: "History",
    openFile: "Open a file…",
    file: "File",
    saveText: "Download as text",
    saveMarkdown: "Download as Markdown",
    saveHistory: "Download with history",
    print: "Print",
    showCode: "QR code of the link",
    disconnect: "Disconnect",
    notConnected: "Not connected",
    update: "A new version of this page is there.",
    updateTake: "Load it",
    text: "The text",
    network: "Network",
    name: "Your name",
    server: "Server",
    serverAddress: "Signaling server",
    serverHint: "It introduces the browsers to each other, and never sees the text.",
    connect: "Connect to Network",
    token: "Permission (token)",
    tokenConnect: "Connect with it",
    dismiss: "Dismiss",
    people: "In this room",
    check: "Connection check",
    recent: "Rooms on this device",
    keep: "The text is saved in this browser, and in that of everyone you write with. A server that keeps rooms has it too, encrypted, if the link has a key. Nobody else has it.",
    codeTitle: "Open this room on another device",
    close: "Close",
    noScript: "This page needs JavaScript.",
  },

  editor: {
    label: "The shared text",
    early: "Write something; the text of this room is on its way…",
    empty: "Write something…",
    comingFromOthers: "The text of the others is on its way…",
    count: (words: number, characters: number) =>
      `${plural(words, "word")} · ${plural(characters, "character")}`,
  },

  /** What CodeMirror says, by its English words. */
  phrases: {} as Record<string, string>,

  saving: {
    early: "The saved text is on its way…",
    saved: "Saved on this device",
    unsaved: (reason: string) => `Not saved on this device: ${reason}`,
    noDocument: "Not saved: the text of this room is not here",
    atServer: "The server has it too, encrypted",
    aheadOfServer: "The server does not have the last edits yet",
    notAtServer: (reason: string) => `Not at the server: ${reason}`,
  },

  /** Why something is not stored, by the code of `crdt-wasm/storage`; others are shown as they come. */
  storageProblems: {} as Record<string, string>,

  /** What `crdt-wasm` says of a connection, by its English words; see `reasons.ts`. */
  reasons: {} as Record<string, string>,
  /** Stands for a reason that the language has no words for. */
  otherReason: "for another reason",

  links: {
    copied: "Copied",
    copyByHand: "Copy this link:",
    changed: "The link was changed on the way: copy the whole link again.",
    badKey: "The key in it was cut short or changed.",
    badRoom: (reason: string) => `The room's name in it cannot be used: ${reason}.`,
    controlCharacters: "it holds control characters",
    tooLong: "it is too long",
    bad: {
      title: "That link cannot be followed",
      advice: "Ask for it again, and copy it as a whole. You are in a new room for now.",
    },
  },

  status: {
    notConnected: "Not connected",
    connected: (peers: number) => `Connected (${plural(peers, "peer")})`,
    connecting: "Connecting…",
    reconnecting: (peers: number) => `Reconnecting… (${plural(peers, "peer")})`,
    failed: "Connection failed",
  },

  /** What to do, or to know, as things stand. */
  hints: {
    connect: "Connect, and send others the link to this room.",
    serverAway:
      "The server cannot be reached; this page keeps trying. Tabs of this browser and the people you are connected to stay in sync. Nobody new can join meanwhile.",
    noKey: "This room has no key: anyone who knows its name can read and change the text.",
    alone:
      "Nobody else is here yet. Send someone the link, as a whole: one with another key, or a part of it, leads elsewhere.",
    readOnly: "You have a read-only link: you see the text, and cannot change it.",
  },

  people: {
    guest: "Guest",
    you: "you",
    youNotConnected: "you, not connected",
    follow: "Follow",
    away: "away",
    readsOnly: "reads only",
    connecting: "connecting…",
    notReached: "not reached yet, trying again…",
    indirect: "reached through others",
    interrupted: "interrupted, trying again…",
    upToDate: "up to date",
    catchingUp: "catching up…",
    throughServer: "through the server",
  },

  recent: { justNow: "just now" },

  problems: {
    noDocument: {
      title: "The document could not be opened",
      advice: `Copy what you wrote, and reload the page. If that does not help: ${CURRENT_BROWSER}`,
    },
    other: {
      title: "Something went wrong",
      advice: "Your text is still here. Try again; if that does not help, copy it and reload the page.",
    },
    read_only: {
      title: "This link is for reading",
      advice: "A file cannot be put into the text here. Ask for a link that lets you write.",
    },
    bad_file: {
      title: "This file cannot be opened",
      advice: "It is damaged, or it is not a document of this app. The text is as it was.",
    },
    webrtc_unavailable: {
      title: "This browser cannot connect directly",
      advice: `WebRTC is missing or switched off. ${CURRENT_BROWSER} Or allow WebRTC in the settings.`,
    },
    websocket_unavailable: {
      title: "This browser cannot reach a server",
      advice: `WebSocket is missing or switched off. ${CURRENT_BROWSER}`,
    },
    cipher_unavailable: {
      title: "This page cannot open a room with a key",
      advice:
        "Open it by https, or from localhost, in a current Firefox, Chrome, Edge or Safari. Until then your text stays on this device.",
    },
    forbidden: {
      title: "The server does not let you in",
      advice:
        "Your link's permission is for another room, or has ended. Ask for the link again, or put in another permission.",
    },
    unauthorized: {
      title: "The server does not let you in",
      advice: "It asks for a permission. Ask for a link that has one, or put it in here.",
    },
    random_unavailable: {
      title: "This browser has no random numbers",
      advice: CURRENT_BROWSER,
    },
    bad_url: {
      title: "That is no address of a server",
      advice:
        "It has to look like ws://localhost:8080 or wss://example.org/ws. Correct it under Server.",
    },
    bad_id: {
      title: "That name cannot be used",
      advice: "Choose a shorter name, of letters and digits, and connect again.",
    },
    invalid_id: {
      title: "The server does not take that name",
      advice: "Choose a shorter name, of letters and digits, and connect again.",
    },
    invalid_room: {
      title: "The server does not take this room's name",
      advice: "Start a new room.",
    },
    signaling_unreachable: {
      title: "The server cannot be reached",
      advice: `Check that it runs, that its address under Server is right, and that you are online. ${KEEPS_TRYING}`,
    },
    signaling_timeout: {
      title: "The server does not answer",
      advice: `Check that its address under Server is right, and the network. ${KEEPS_TRYING}`,
    },
    signaling_refused: { title: "The server refused", advice: TRY_AGAIN },
    signaling_closed: { title: "The server ended the connection", advice: TRY_AGAIN },
    signaling_unreadable: {
      title: "The server speaks another language",
      advice:
        "It is not the server that this page knows, or of another version. Check its address under Server.",
    },
    replaced: {
      title: "You are connected from another tab",
      advice: "This one was let go in its favour. Connect again to bring it back.",
    },
    agent_id_taken: {
      title: "Someone of that name is here",
      advice: "Choose another name, and connect again.",
    },
    room_full: {
      title: "This room is full",
      advice: "You get in when someone leaves: this page keeps trying. Or start a new room.",
    },
    too_many_rooms: {
      title: "The server has no space for another room",
      advice: "Try again in a while.",
    },
    unsupported_protocol: {
      title: "The server is of another version",
      advice: "Reload this page to get the version that fits.",
    },
    peer_unreachable: {
      title: "No direct connection to someone in the room",
      advice:
        "Your networks do not let it through. On the same network it works; elsewhere a TURN server is needed.",
    },
    too_many_connections: {
      title: "Too many connections",
      advice: "This browser cannot open more. Close other tabs of this room.",
    },
    wrong_key: {
      title: "Someone here has another link to this room",
      advice:
        "The two links differ in the part behind the #, so you two are not connected. Open the room by the same link, copied as a whole.",
    },
    agent_in_use: {
      title: "Someone else edits as if they were you",
      advice: "Edits may get lost. Copy what you need, and reload this page.",
    },
    outdated_here: {
      title: "Someone here has a newer version of this page",
      advice: "Reload this page, and load the new version where it is offered.",
    },
    outdated_peer: {
      title: "Someone here has an older version of this page",
      advice: "You two are not connected. Ask them to reload it.",
    },
    diverged: {
      title: "Two texts differ that should be the same",
      advice:
        "Two edits were given out as one. Copy your text, compare it with theirs, and go on in a new room.",
    },
  },

  /** What the program says of a problem, for whoever is asked for help. */
  details: {
    outdated: (ours: number, peer: string, theirs: number) =>
      `this page speaks version ${ours}, ${peer} version ${theirs}`,
    diverged: (peer: string, version: string) => `${peer} has another text at ${version}`,
  },

  /** The connection check. */
  check: {
    off: {
      verdict: "Not connected",
      advice: "Press Connect to Network: then every step of it is looked at here.",
    },
    underWay: "Under way…",
    good: "All is well",
    outcomes: {
      works: "works",
      fails: "fails",
      "under way": "under way",
      "not reached": "not reached",
    },
    /** For the stage of the room where the server has let this page in: somebody in it has another key. */
    otherLink: {
      title: "The room",
      failure: "Someone has another link",
      advice: "Open the room by the same link on both sides: copy the whole of it, with the key.",
    },
    stages: {
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
    },
  },

  history: {
    title: "History",
    close: "Close",
    play: "Play",
    pause: "Pause",
    moment: "Moment",
    textHere: "The text at this moment",
    authors: "Who wrote what",
    name: "Name of this version",
    nameIt: "Name it",
    version: "Version",
    compare: "Compare with",
    forget: "Forget the name",
    restore: "Restore this text",
    keptHere: "Names of versions are kept on this device.",
    noVersion: "—",
    nothing: "nothing",
    latest: "The latest text",
    emptyText: "the empty text",
    startMissing: "the first edits were left out of this document",
    step: (step: number, length: number, author: string) => `${step} of ${length}, ${author}`,
    reading: (percent: number) => `Reading the history… ${percent} %`,
    failed: (reason: string) => `The history cannot be shown: ${reason}`,
    momentComing: "This moment is on its way from the others…",
    notStored: "This browser stores nothing for this page, so the version gets no name.",
    named: (name: string) => `This version is “${name}”.`,
    compared: "What the other version has more is underlined, what it lacks is struck out.",
    versionComing: "That version has not arrived here yet.",
  },
};

/** The texts of a language. */
export type Texts = typeof en;
