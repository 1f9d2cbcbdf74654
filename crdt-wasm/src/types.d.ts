// The types that the generated declarations refer to; they are put in front of those.

/**
 * One replacement in the text: at `position`, `deleted` UTF-16 code units give way to `inserted`.
 *
 * A list of them is applied one after the other. It goes from the end of the text to its start and
 * nothing in it overlaps, so every `position` is also right in the text before the first of them.
 */
export interface TextChange {
  position: number;
  deleted: number;
  inserted: string;
}

/** An operation's id: who made it, and its number among theirs. */
export type OperationId = [agent: string, seq: number];

/** What a merge did; counts are in operations, one per character inserted or deleted. */
export interface MergeReport {
  /** New here, and now part of the document. */
  applied: number;
  /** Known before. */
  duplicate: number;
  /** Held back until what they build on arrives; all that wait now. */
  pending: number;
  /** Let go: held back too long, or found to be invalid when their turn came. */
  dropped: number;
  /** What is known to be missing: what the held-back ones wait for, and what of the sender's frontier is not here. */
  missing: OperationId[];
  /** What became of the text. */
  changes: TextChange[];
}

/** The stable codes of every error of this package. */
export type CrdtErrorCode =
  // Arguments and handles.
  | "not_loaded"
  | "dead_handle"
  | "document_busy"
  | "bad_argument"
  | "bad_position"
  | "out_of_bounds"
  | "too_large"
  | "out_of_memory"
  | "bad_agent_name"
  // Operations and frontiers.
  | "bad_json"
  | "bad_operations"
  | "bad_bytes"
  | "unknown_format_version"
  | "conflicting_event"
  | "parents_not_reduced"
  | "cyclic_event"
  | "too_old"
  | "corrupt_history"
  // Files and versions.
  | "bad_checksum"
  | "impossible_event"
  | "inconsistent_file"
  | "unknown_event"
  // Stored documents.
  /** The browser lets this page store nothing, as in some private windows. */
  | "storage_unavailable"
  /** No space is left, or the page may not use more. It is tried again. */
  | "storage_full"
  /** Another tab with an older version of the page keeps the database busy. It is tried again. */
  | "storage_blocked"
  /** The browser does not answer. It is tried again. */
  | "storage_timeout"
  /** What is stored was written by a newer version of this package, which has to be loaded. */
  | "storage_newer"
  /** A part of what is stored cannot be read. It stays, and edits are stored beside it. */
  | "storage_damaged"
  /** The stored document was deleted while it was open. */
  | "storage_removed"
  /** Anything else. It is tried again. */
  | "storage_failed"
  // The network: this environment.
  | "webrtc_unavailable"
  | "websocket_unavailable"
  | "random_unavailable"
  | "cipher_unavailable"
  // The network: the signaling server.
  | "bad_url"
  | "bad_id"
  | "weak_key"
  | "signaling_unreachable"
  | "signaling_timeout"
  | "signaling_refused"
  | "signaling_closed"
  | "signaling_lost"
  | "signaling_unreadable"
  | "replaced"
  | "malformed"
  | "unknown_type"
  | "binary_frame"
  | "message_too_big"
  | "limit_exceeded"
  | "invalid_id"
  | "invalid_room"
  | "unsupported_protocol"
  | "not_joined"
  | "already_joined"
  | "agent_id_taken"
  | "unauthorized"
  | "forbidden"
  | "forged_sender"
  | "peer_unavailable"
  | "no_log"
  | "log_conflict"
  | "quota_exceeded"
  | "store_unavailable"
  | "rate_limited"
  | "try_later"
  | "room_full"
  | "too_many_rooms"
  // The network: peers, and this object.
  | "peer_unreachable"
  | "peer_closed"
  | "peer_refused"
  | "agent_in_use"
  | "relay_failed"
  | "wrong_key"
  | "transport_failed"
  | "presence_too_large"
  | "too_many_connections"
  | "interrupted"
  | "destroyed";

/** Every error that this package throws or reports is an `Error` of this shape. */
export interface CrdtError extends Error {
  name: "CrdtError";
  code: CrdtErrorCode;
}

/** A STUN or TURN server, as RTCPeerConnection takes it. */
export interface IceServer {
  urls: string | string[];
  username?: string;
  credential?: string;
}

export interface NetworkSyncOptions {
  /** The room to join; left out, the one in the address (`/ws/<room>`), else the server's default room. */
  room?: string;
  /** The signaling servers that `connect()` uses where it is given none. */
  signaling?: string | string[];
  /** STUN and TURN servers. The default is none, which is enough on one machine or local network. */
  iceServers?: IceServer[];
  /** The ways to a peer that may be used. The default is all; the first that works is used, in the order named here. */
  links?: Exclude<LinkKind, "custom">[];
  /**
   * A secret that the members of the room share and the server does not know, such as the fragment of
   * the room's link: at least 16 random bytes as base64url, which has 22 characters
   * (`NetworkSync.newKey()` makes one). What goes through signaling servers (offers, answers, candidates
   * and the relay) is encrypted with keys derived from it, and the servers know the room by a name that
   * follows from it and from `room`. Without it, the relay is off. Members with different keys, or with and
   * without one, do not connect to each other.
   */
  key?: string;
  /**
   * In place of `key`: what `NetworkSync.readKey(key, room)` gave. This page then follows the room of that
   * key and name; the others take no changes from it.
   */
  readKey?: string;
  /** Sends no changes of the document, though the key allows it. */
  readOnly?: boolean;
  /** What lets this page into the room, where the server asks for a token. */
  token?: string;
}

/**
 * Between pages of one browser; a direct connection; the encrypted relay through a signaling socket;
 * or a transport of your own. Of several to one peer the first in this order carries the edits:
 * `broadcast`, `custom`, `webrtc`, `relay`.
 */
export type LinkKind = "broadcast" | "webrtc" | "relay" | "custom";

/**
 * A way to one peer that you bring yourself, for `NetworkSync.addTransport`. It carries messages of up
 * to 16 KiB and should deliver them once and in order; what it loses is found and sent again, which
 * takes time. At its other end is another `NetworkSync`, with the transport that belongs to this one.
 *
 * What one of its functions throws, or rejects with, is the event `error` with the code
 * `transport_failed`; the transport is then stopped, and started again after a while, which doubles up
 * to 30 s. If its other end breaks the protocol, it is stopped for good.
 */
export interface Transport {
  /** Begins, or begins again after `stop`. */
  start(callbacks: TransportCallbacks): void | Promise<void>;
  /** Sends one message; called only between `connect` and `disconnect`. The bytes are yours to keep. */
  send(message: Uint8Array): void | Promise<void>;
  /** Ends: nothing is sent any more, and no callback counts any more. */
  stop(): void | Promise<void>;
  /**
   * How many bytes wait to be sent, where it is known: above 256 KiB new edits are held back, and sent
   * together once there is room.
   */
  readonly bufferedAmount?: number;
}

/** What a `Transport` tells. All may be called at any time, from anywhere, any number of times. */
export interface TransportCallbacks {
  /** The peer can be reached: again, after `disconnect`. */
  connect(): void;
  /** A message of the peer came, as it was given to `send` there. */
  receive(message: Uint8Array | ArrayBuffer | ArrayBufferView): void;
  /**
   * The peer cannot be reached any more, or for a while. What was sent before must not arrive after the next
   * `connect()`: messages refer to those before them, and a late one would be read as another.
   */
  disconnect(): void;
  /** `bufferedAmount` fell. Who never calls this is asked every few milliseconds while something waits. */
  drained(): void;
}

/** A transport that was added. */
export interface TransportStatus {
  /**
   * `connecting`: started, or about to be started again. `failed`: stopped for good, since its other end
   * breaks the protocol.
   */
  state: "stopped" | "connecting" | "open" | "failed";
  /** Whom it leads to, once they have said hello. */
  peer: string | null;
  /** What went wrong with it last, until it connects. */
  problem: string | null;
}

/** One of the signaling servers in use. */
export interface ServerStatus {
  url: string;
  /** Set where the network breaks WebSockets: the server is reached by an event stream and requests. */
  carrier?: "event-stream";
  state: NetworkState;
  /** Why it is not connected. */
  error: { code: CrdtErrorCode; message: string } | null;
}

/**
 * `reconnecting`: no server can be reached for now, which is tried again and again; peers may be linked.
 * `error`: waiting cannot help, and `NetworkStatus.error` says why.
 */
export type NetworkState = "disconnected" | "connecting" | "connected" | "reconnecting" | "error";

/** The link to one peer. */
export interface PeerLink {
  peer: string;
  /** What carries the edits now, or is being made. */
  link: LinkKind;
  /**
   * `interrupted`: the network under it is away at the moment. `indirect`: in a large room, others
   * pass its edits on; between two that only read, who need no link to each other.
   */
  state: "connecting" | "open" | "interrupted" | "indirect";
  /**
   * Both sides have been seen to hold the same operations. What a side that only reads has made itself does not
   * count for the other one.
   */
  synced: boolean;
  /** It follows the room, and changes nothing: no change of it is taken. */
  readOnly: boolean;
  /**
   * Set where the peer has another operation under the same id, so that its text is another; `id` is `null`
   * where none was found that differs.
   */
  diverged: { id: OperationId | null } | null;
  /** Round trip in milliseconds, where it has been measured. */
  rtt: number | null;
  bytesIn: number;
  bytesOut: number;
  /**
   * How many operations here the peer is not known to have: not sent to it yet or, of those made here,
   * sent and still under way. On a page that only reads: those made here, which stay here.
   */
  ahead: number | null;
  /** How many operations the peer has said to have are missing here. */
  behind: number | null;
  /** What keeps the edits from this peer, and at which stage that is; `null` while a link carries them. */
  problem: string | null;
  problemStage: DoctorStage | null;
}

export interface NetworkStatus {
  /** In the room, or linked to at least one peer. */
  connected: boolean;
  /** The agent ids of the peers with an open link, sorted. */
  peers: string[];
  state: NetworkState;
  agentId: string;
  room: string | null;
  /** The signaling server in use: the first that let us in, else the first named. */
  url: string | null;
  /** Every signaling server, in the order in which they were named. */
  signaling: ServerStatus[];
  /** Why the last attempt failed, until one succeeds. */
  error: { code: CrdtErrorCode; message: string } | null;
  /** This page follows the room, and no change of its document is sent: by its key, its options, or what a server allows it. */
  readOnly: boolean;
  /** Whether the document is saved on this device; `null` where no `openStored` of `crdt-wasm/storage` does that. */
  saved: SavedState | null;
  /** How much of the document the servers keep for those who come when nobody else is there. */
  kept: Kept;
  /** The agent ids of the peers that hold everything that is here, sorted. */
  shared: string[];
  /** Why the relay is not used although it may be, or `null`. */
  relayOff: string | null;
  /** Every peer in the room, linked already or not, and those that transports of your own lead to; each once. */
  links: PeerLink[];
  /** The transports that were added, in that order. */
  transports: TransportStatus[];
  /** How many RTCPeerConnections this page has open through this package. */
  openConnections: number;
}

/**
 * Whether a document is saved on this device. `saved`: all edits are stored. `saving`: the last ones are on their
 * way. `unsaved`: the last ones are only in memory, and the status of the stored document says why.
 */
export type SavedState = "saved" | "saving" | "unsaved";

/** How much of the document the servers keep, in the log of a room with a key. */
export interface Kept {
  /**
   * How many operations here no server has acknowledged; 0: they are all kept. `null` where no server keeps the
   * document, or that is not known yet.
   */
  ahead: number | null;
  /** How many entries of the log were skipped: they do not open, no writer signed them, or they hold no changes. */
  skipped: number;
  /** Why the document, or a part of it, is not kept; `null` where it is, or will be in a moment. */
  problem: string | null;
}

/** The stages of a connection, in the order in which they come. */
export type DoctorStage = "environment" | "signaling" | "room" | "offer" | "ice" | "channel" | "sync";

/** What `NetworkSync.doctor()` finds. */
export interface Diagnosis {
  /** The first stage that fails, or `null` where none does. */
  stage: DoctorStage | null;
  /** What is the matter, in words. */
  message: string;
  /** What to do about it; `null` where nothing has to be done. */
  advice: string | null;
  /** Every stage; `ok` is `null` where it is under way or was not reached. */
  checks: { stage: DoctorStage; ok: boolean | null; detail: string }[];
}

/** The events of a `NetworkSync`, by name, with what listeners get. */
export interface NetworkSyncEvents {
  /** Something in the status changed that a person would see. */
  status: NetworkStatus;
  /** Peers were linked or left. */
  peers: { peers: string[]; joined: string[]; left: string[] };
  /** This peer and we hold the same operations now. */
  synced: { peer: string };
  /** The text changed by a merge, from a peer or through `merge_operations`. */
  change: TextChange[];
  /**
   * A peer's fields changed (`null`: gone), or it left and all are gone. A page has one `session`;
   * `peer` is the agent id, as in the status.
   */
  presence: { session: string; peer: string; fields: Record<string, unknown>; left: boolean };
  /** A peer's protocol version does not go with ours. `side` says who has to be updated: with `here`, reload this page. */
  outdated: { peer: string; side: "here" | "peer"; ours: number; theirs: number };
  /**
   * A peer has another operation under the same id, so that its text is another: somebody gave out two under
   * that id. Both sides keep what they have, and all else goes on. `id` is `null` where none was found that
   * differs. `ours` and `theirs` are hashes of the texts at the version `frontier`. See docs/security.md for
   * how the documents are compared and brought together.
   */
  diverged: {
    peer: string;
    id: OperationId | null;
    frontier: string;
    ours: string;
    theirs: string | null;
  };
  /** Something failed; where `status.state` is not `error`, it goes on by itself. */
  error: CrdtError;
}
