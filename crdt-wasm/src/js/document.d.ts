/**
 * Creates an empty document and returns its handle.
 *
 * `agentId` names the replica in every operation it makes: 1 to 128 bytes of UTF-8. Two replicas
 * that are edited at the same time must not have the same.
 *
 * @throws {CrdtError} when the name is empty or too long.
 */
export function create_document(agentId: string): number;

/**
 * Frees a document and ends the network sync attached to it. The handle is dead from then on, and
 * never given out again.
 *
 * @throws {CrdtError} `dead_handle`
 */
export function free_document(handle: number): void;

/**
 * The whole text.
 *
 * @throws {CrdtError} `dead_handle`
 */
export function get_text(handle: number): string;

/**
 * Inserts `text` at `position`, counted in UTF-16 code units as JavaScript counts.
 *
 * A position inside a surrogate pair is rounded down to before the pair. A lone surrogate in
 * `text` becomes U+FFFD. What was really inserted, and where, is returned.
 *
 * @throws {CrdtError} `dead_handle`, `bad_position`, `out_of_bounds`; the text is as before.
 */
export function insert(handle: number, position: number, text: string): TextChange;

/**
 * Deletes `length` UTF-16 code units from `position` on.
 *
 * Where the range starts or ends inside a surrogate pair it is widened to the whole pair. What was
 * really deleted is returned.
 *
 * @throws {CrdtError} `dead_handle`, `bad_position`, `out_of_bounds`; the text is as before.
 */
export function delete_range(handle: number, position: number, length: number): TextChange;

/**
 * All operations, as canonical JSON: the same text on every replica that holds the same ones.
 *
 * @throws {CrdtError} `dead_handle`
 */
export function get_operations_json(handle: number): string;

/**
 * The operations that are not at or before `frontier`, as JSON. With another replica's frontier
 * that is what it lacks; ids that are unknown here are left out of account.
 *
 * @throws {CrdtError} `dead_handle`, or that the frontier is broken.
 */
export function get_operations_since_json(handle: number, frontier: string): string;

/**
 * The document's version as JSON: the ids of its last operations.
 *
 * @throws {CrdtError} `dead_handle`
 */
export function get_frontier_json(handle: number): string;

/**
 * Merges operations that another replica gave out with `get_operations_json` or
 * `get_operations_since_json`. In any order, any number of times, the text comes out the same.
 *
 * `frontier` is the sender's, or empty, or left out. With it, the report names what of the
 * sender's version is still missing here.
 *
 * @throws {CrdtError} when the JSON is broken, or an id comes back with other content; the
 * document is then as before.
 */
export function merge_operations(handle: number, ops: string, frontier?: string | null): MergeReport;

/**
 * The operations that a replica at `version` lacks, as bytes for `merge_bytes`; all of them where it is
 * left out. The binary twin of `get_operations_since_json`.
 *
 * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_bytes`, `too_old`
 */
export function encode_since(handle: number, version?: Version | Uint8Array | null): Uint8Array;

/**
 * Merges what `encode_since` or `Document.encodeSince` gave out, in any order, any number of times. The
 * binary twin of `merge_operations`.
 *
 * @throws {CrdtError} when the bytes are damaged, or an id comes back with other content; the document is
 * then as before.
 */
export function merge_bytes(handle: number, bytes: BinaryData): MergeReport;

/**
 * The document as a file: its whole history and its text. See `SaveOptions`.
 *
 * @throws {CrdtError} `dead_handle`, `bad_argument`, `corrupt_history`
 */
export function save(handle: number, options?: SaveOptions): Uint8Array;

/**
 * Opens a file that `save` wrote, to be edited in the name of `agentId`, and returns the handle of the
 * new document. See `Document.open`.
 *
 * @throws {CrdtError} `bad_agent_name`, or why the file cannot be opened.
 */
export function open_document(bytes: BinaryData, agentId: string): number;

/**
 * An anchor at `position`, as text that every replica understands. It stays with the character after the
 * place if `bias` is `"right"`, so that what is inserted there comes before it, and with the one before
 * if it is `"left"`.
 *
 * The first anchor of a document takes as long as replaying its history; later ones are cheap.
 *
 * @throws {CrdtError} `dead_handle`, `bad_argument`, `out_of_bounds`
 */
export function anchor_at(handle: number, position: number, bias: "left" | "right"): string;

/**
 * Where an anchor is now: where its character is, or the gap that it left behind. `null` while the
 * character has not arrived here.
 *
 * @throws {CrdtError} `dead_handle`, `bad_argument` for what is no anchor
 */
export function anchor_position(handle: number, anchor: string): number | null;

/** Changes, as a list from the end of the text to its start, as a delta, which goes the other way. */
export function toDelta(changes: readonly TextChange[]): Delta;

/** Bytes, in whatever they come. */
export type BinaryData = ArrayBuffer | ArrayBufferView;

/** One step of a delta, in UTF-16 code units: keeps, deletes or inserts text at the place reached. */
export type DeltaStep = { retain: number } | { delete: number } | { insert: string };

/** A change of the text from its start on, as Quill and others have it; what follows the last step stays. */
export type Delta = DeltaStep[];

/** Who edits a new replica. */
export interface ReplicaOptions {
  /**
   * The name of the person, as `history` and `blame` give it: spaces in a row count as one. Any number of
   * replicas may have the same. Their own names sort as those of the people.
   */
  name?: string;
  /**
   * The name of the replica: 1 to 128 bytes of UTF-8. Two replicas that are edited at the same time, or
   * one that lost edits which it had given out, must not have the same. Left out, nobody else has it.
   */
  agentId?: string;
  /**
   * The text that a new document begins with, such as a template. Replicas that begin with the same text
   * begin with the same operations, which nobody has made twice: two people who both open a new document,
   * and meet later, have the text once. It is not used where a file or a branch is opened.
   *
   * All who begin a document have to give the same text: where one of them gives none, or another one, each
   * text is there once.
   */
  initialText?: string;
}

/** How a document is written to a file. */
export interface SaveOptions {
  /**
   * What to spare. `"speed"`: time, to write and to read. `"balanced"`, the default: opens as quickly, and
   * packs the history tightly. `"size"`: packs the text tightly too, which takes its time to open.
   */
  prefer?: "speed" | "balanced" | "size";
  /** Whether the text is part of the file; by default it is. Without it, opening replays the history. */
  text?: boolean;
  /**
   * Lets the history before this version go, or before an earlier one that everybody who edited since
   * knew. What others made without knowing all of that version can no longer be merged.
   */
  since?: Version;
}

/** What became of the text in one transaction or merge: the event `change`. */
export interface ChangeEvent {
  /** The replacements, from the end of the text to its start. */
  readonly changes: TextChange[];
  /** The same as a delta, from the start of the text to its end. */
  readonly delta: Delta;
  /** What was given with the transaction or the merge. An `UndoManager` gives itself. */
  readonly origin: unknown;
  /** Whether it was edited here; merges are not. */
  readonly local: boolean;
}

/** The events of a document, by name, with what listeners get. */
export interface DocumentEvents {
  /** The text changed: by an edit, a merge, or the network. Once for each transaction. */
  change: (event: ChangeEvent) => void;
  /** There are new operations: these bytes are for `merge` on other replicas. */
  update: (bytes: Uint8Array, how: { origin: unknown; local: boolean }) => void;
}

/** A piece of the history: edits of one agent that continue each other. */
export interface HistoryRun {
  /** The replica that made it. */
  agent: string;
  /** The person's name in that, or the replica's where none was given. */
  name: string;
  /** When it began, in milliseconds since 1970, as its author's clock says, to the minute; `null` if unknown. */
  time: number | null;
  kind: "insert" | "delete";
  /** How many characters (Unicode scalars) were inserted or deleted. */
  length: number;
  /** What was inserted; empty for a deletion. */
  text: string;
  /** The version of its author right after it. */
  version: Version;
}

/** A piece of the text that one agent inserted. */
export interface BlamePiece {
  /** Where it starts and ends, in UTF-16 code units. */
  from: number;
  to: number;
  /** The replica that inserted it. */
  agent: string;
  /** The person's name in that, or the replica's where none was given. */
  name: string;
  /** When, in milliseconds since 1970, as its author's clock says, to the minute; `null` if unknown. */
  time: number | null;
  /** The version of its author right after that. */
  version: Version;
}

/** What `mergeAsync` may be given. */
export interface MergeAsyncOptions {
  /** The origin that the events of the merge have. */
  origin?: unknown;
  /** Called after each piece with the part that is merged, from 0 to 1. */
  onProgress?: (part: number) => void;
  /** Ends the merge: an `AbortSignal`. */
  signal?: { throwIfAborted(): void };
}

/**
 * A collaborative text document: one replica.
 *
 * Positions and lengths are in UTF-16 code units. What goes wrong is thrown as a `CrdtError`; the document
 * is then as before.
 *
 * It stands in the same registry as the documents of the flat API: `handle` is good for every
 * function there, and for `NetworkSync`. `free()` it when done; used after that, every method
 * throws a `CrdtError` with the code `dead_handle`. A document that is garbage-collected without
 * `free()` is freed too, whether its `handle` was read or not, unless a `NetworkSync` uses it. One that
 * has listeners or an `UndoManager` is kept.
 *
 * ```js
 * import init, { Document } from "crdt-wasm";
 *
 * await init();
 * const doc = new Document({ name: "Ada" });
 * doc.on("change", ({ delta }) => console.log(delta));
 * doc.insert(0, "Hello"); // logs [{ insert: "Hello" }]
 * ```
 */
export class Document {
  /**
   * Creates an empty document. With nothing, it is edited in a name that nobody else has; a string is the
   * `agentId`, see `ReplicaOptions`.
   *
   * ```js
   * const doc = new Document();
   * const named = new Document({ name: "Ada" });
   * ```
   *
   * @throws {CrdtError} `bad_argument`, `bad_agent_name`
   */
  constructor(replica?: ReplicaOptions | string | null);

  /**
   * Opens a file that `save` wrote. The text is there at once, and can be edited; the history is read when
   * it is needed first. Checksums are verified, and the file is trusted otherwise: for files from others
   * there is `openVerified`.
   *
   * ```js
   * const doc = Document.open(new Uint8Array(await (await fetch("/notes.crdt")).arrayBuffer()));
   * doc.insert(doc.length, "one more line");
   * ```
   *
   * @throws {CrdtError} `bad_argument`, `bad_agent_name`, `bad_bytes`, `bad_checksum`, `unknown_format_version`,
   * `too_large`, `impossible_event`, `inconsistent_file`
   */
  static open(bytes: BinaryData, replica?: ReplicaOptions | string | null): Document;

  /**
   * Opens a file from somebody who is not trusted: its whole history is replayed, and has to make the text
   * that the file has.
   *
   * ```js
   * const doc = Document.openVerified(uploaded);
   * ```
   *
   * @throws {CrdtError} as `open`
   */
  static openVerified(bytes: BinaryData, replica?: ReplicaOptions | string | null): Document;

  /**
   * The document's handle in the flat API.
   *
   * ```js
   * const sync = new NetworkSync(doc.handle, doc.agentId, { room: "notes" });
   * ```
   */
  readonly handle: number;
  /**
   * The name of this replica: that of each operation made here.
   *
   * ```js
   * new Document("ada").agentId; // "ada"
   * ```
   */
  readonly agentId: string;
  /**
   * Frees the document. A second call does nothing.
   *
   * ```js
   * doc.free();
   * ```
   */
  free(): void;
  [Symbol.dispose](): void;

  /**
   * The length of the text in UTF-16 code units.
   *
   * ```js
   * doc.insert(doc.length, "the last words");
   * ```
   */
  readonly length: number;
  /**
   * The whole text.
   *
   * ```js
   * area.value = doc.getText();
   * ```
   */
  getText(): string;
  /** The whole text. */
  toString(): string;
  /**
   * A part of the text. A position inside a surrogate pair is rounded down to before the pair.
   *
   * ```js
   * doc.slice(0, 5); // "Hello"
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_position`, `out_of_bounds`
   */
  slice(from?: number, to?: number): string;

  /**
   * Inserts text at a position. One inside a surrogate pair is rounded down to before the pair; a lone
   * surrogate in the text becomes U+FFFD. What was really inserted, and where, is returned.
   *
   * ```js
   * doc.insert(0, "Hello"); // { position: 0, deleted: 0, inserted: "Hello" }
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_position`, `out_of_bounds`, `too_large`
   */
  insert(position: number, text: string): TextChange;
  /**
   * Deletes `length` code units from a position on, widened to whole surrogate pairs. What was really
   * deleted is returned.
   *
   * ```js
   * doc.delete(0, 5); // { position: 0, deleted: 5, inserted: "" }
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_position`, `out_of_bounds`, `too_large`
   */
  delete(position: number, length: number): TextChange;
  /**
   * The same as `delete`.
   *
   * ```js
   * doc.deleteRange(0, 5);
   * ```
   */
  deleteRange(position: number, length: number): TextChange;
  /**
   * Deletes `length` code units from a position on, and inserts text in their place.
   *
   * ```js
   * doc.replace(0, 5, "Good morning");
   * ```
   *
   * @throws {CrdtError} as `insert`
   */
  replace(position: number, length: number, text: string): TextChange;
  /**
   * Makes the edits of a delta, as one transaction.
   *
   * ```js
   * doc.applyDelta([{ retain: 5 }, { delete: 1 }, { insert: ", world" }]);
   * ```
   *
   * @throws {CrdtError} as `insert`; the text is as before.
   */
  applyDelta(delta: Delta, origin?: unknown): void;
  /**
   * Makes the edits of `act` as one: with one event `change`, and one step of an `UndoManager`. Returns
   * what `act` returns. What it throws is thrown on; the edits made before that stay. Transactions inside
   * others are a part of them. `act` is called at once, and what it does later is not part of it.
   *
   * ```js
   * doc.transact(() => {
   *   doc.insert(0, "(");
   *   doc.insert(doc.length, ")");
   * }, "toolbar");
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`
   */
  transact<T>(act: () => T, origin?: unknown): T;

  /**
   * Adds a listener, and returns what takes it away again. Listeners are called when the transaction or
   * merge is done, for one by the network in a task of its own, and may call anything. What they throw goes
   * to `reportError`, or to `console.error` where there is none, as in Node, and stops nobody else. All of
   * them get the same objects: copy what you want to change.
   *
   * ```js
   * const stop = doc.on("change", ({ changes, local }) => {
   *   if (!local) editor.apply(changes);
   * });
   * doc.on("update", (bytes, { local }) => {
   *   if (local) socket.send(bytes);
   * });
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`
   */
  on<K extends keyof DocumentEvents>(event: K, listener: DocumentEvents[K]): () => void;
  /**
   * Takes a listener away.
   *
   * ```js
   * doc.off("change", show);
   * ```
   */
  off<K extends keyof DocumentEvents>(event: K, listener: DocumentEvents[K]): void;

  /**
   * The version of the document as it stands.
   *
   * ```js
   * socket.send(doc.version().toBytes());
   * ```
   *
   * @throws {CrdtError} `dead_handle`
   */
  version(): Version;
  /**
   * How version `a` stands to `b`: `"before"` if `b` has all that `a` has, and more.
   *
   * ```js
   * doc.compare(earlier, doc.version()); // "before"
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_bytes`, `unknown_event`
   */
  compare(a: Version, b: Version): "equal" | "before" | "after" | "concurrent";
  /**
   * The operations that a replica at `version` lacks, as bytes for `merge`; all of them where it is left
   * out. A few bytes if it lacks nothing.
   *
   * ```js
   * socket.onmessage = ({ data }) => socket.send(doc.encodeSince(Version.fromBytes(data)));
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_bytes`, `too_old`, `corrupt_history`
   */
  encodeSince(version?: Version | null): Uint8Array;
  /**
   * Merges what another replica gave out by `encodeSince` or the event `update`: in any order, any number
   * of times, the text comes out the same.
   *
   * ```js
   * const { changes } = doc.merge(new Uint8Array(data), "socket");
   * ```
   *
   * @throws {CrdtError} when the bytes are damaged, or an id comes back with other content; the document
   * is then as before.
   */
  merge(bytes: BinaryData, origin?: unknown): MergeReport;
  /**
   * The same in pieces of about ten milliseconds, between which the page can do other things: for what was
   * done in a long absence. The document can be read, edited and merged with meanwhile.
   *
   * The bytes are merged into a copy of the document first, which takes memory for both. If the document is
   * not changed meanwhile, what was merged shows at the end, all at once. Otherwise it is merged again, into
   * the document itself, and shows in pieces. The event `change` says what became of the text.
   *
   * A piece takes longer where its operations are concurrent to many others.
   *
   * ```js
   * const leaving = new AbortController();
   * await doc.mergeAsync(bytes, { signal: leaving.signal, onProgress: (part) => (bar.value = part) });
   * ```
   *
   * Rejects with a `CrdtError` as `merge` throws it, and with the reason of the signal. Nothing is merged
   * then, except for what already showed in pieces.
   */
  mergeAsync(bytes: BinaryData, options?: MergeAsyncOptions | null): Promise<Omit<MergeReport, "changes">>;
  /**
   * The document as a file: its whole history and its text. Operations that wait for others are not part
   * of it.
   *
   * ```js
   * await writeFile("notes.crdt", doc.save({ prefer: "size" }));
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `corrupt_history`
   */
  save(options?: SaveOptions): Uint8Array;
  /**
   * The document as a file without its older history: `save` with the option `since`, by default the
   * version that it has now.
   *
   * ```js
   * const file = doc.saveShallow(); // the text, and nothing of how it came about
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `unknown_event`, `too_old`, `corrupt_history`
   */
  saveShallow(since?: Version | null, options?: Omit<SaveOptions, "since">): Uint8Array;
  /**
   * All operations as canonical JSON, see `get_operations_json`.
   *
   * ```js
   * await writeFile("notes.json", doc.getOperationsJson());
   * ```
   */
  getOperationsJson(): string;
  /**
   * The operations not at or before `frontier`, see `get_operations_since_json`.
   *
   * ```js
   * const news = doc.getOperationsSinceJson(other.getFrontierJson());
   * ```
   */
  getOperationsSinceJson(frontier: string): string;
  /**
   * The document's version as JSON, see `get_frontier_json`.
   *
   * ```js
   * send({ frontier: doc.getFrontierJson() });
   * ```
   */
  getFrontierJson(): string;
  /**
   * Merges another replica's operations, see `merge_operations`.
   *
   * ```js
   * doc.mergeOperations(other.getOperationsJson());
   * ```
   */
  mergeOperations(ops: string, frontier?: string | null): MergeReport;

  /**
   * The text at a version.
   *
   * The first call that looks at history, or at anchors, takes as long as replaying the history; later
   * ones are cheap.
   *
   * ```js
   * doc.textAt(yesterday);
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_bytes`, `unknown_event`, `too_old`, `corrupt_history`
   */
  textAt(version: Version): string;
  /**
   * What leads from the text at one version to that at another, as changes from the end of the text to its
   * start.
   *
   * ```js
   * toDelta(doc.diff(yesterday, doc.version()));
   * ```
   *
   * @throws {CrdtError} as `textAt`
   */
  diff(from: Version, to: Version): TextChange[];
  /**
   * The history, as runs of edits in the order in which they arrived here.
   *
   * ```js
   * for (const { name, time, text, version } of doc.history()) {
   *   console.log(name, time && new Date(time), text, doc.textAt(version).length);
   * }
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `corrupt_history`
   */
  history(): IterableIterator<HistoryRun>;
  /**
   * Who inserted a part of the text, by default all of it, and when. What an undo or `revertTo` brought
   * back counts as inserted by the agent that did so. What is older than the history of a shallow document is left
   * out.
   *
   * ```js
   * for (const { from, to, name } of doc.blame()) mark(from, to, name);
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_position`, `out_of_bounds`, `corrupt_history`
   */
  blame(from?: number, to?: number): BlamePiece[];
  /**
   * Brings the text of a version back, by new edits: everybody's later edits go from the text, and stay in
   * the history.
   *
   * ```js
   * doc.revertTo(yesterday);
   * ```
   *
   * @throws {CrdtError} as `textAt`, and `too_large`
   */
  revertTo(version: Version, origin?: unknown): void;
  /**
   * A new document that has the history up to a version, by default all of it. It is a replica like any
   * other: merge it back when it is good.
   *
   * ```js
   * const draft = doc.branch(doc.version(), { name: "Ada" });
   * draft.insert(0, "Draft: ");
   * doc.merge(draft.encodeSince(doc.version()));
   * ```
   *
   * @throws {CrdtError} as `textAt`, and `bad_agent_name`
   */
  branch(version?: Version | null, replica?: ReplicaOptions | string | null): Document;

  /**
   * An anchor at a position: a caret, an end of a comment. It stays with the character after the place if
   * `bias` is `"right"`, the default, so that what is inserted there comes before it, and with the one
   * before if it is `"left"`.
   *
   * ```js
   * const caret = doc.anchorAt(7);
   * send(JSON.stringify(caret));
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_position`, `out_of_bounds`, `too_old`, `corrupt_history`
   */
  anchorAt(position: number, bias?: "left" | "right"): Anchor;
  /**
   * Where an anchor is now: where its character is, or the gap that it left behind. `null` while the
   * character has not arrived here.
   *
   * ```js
   * const position = doc.positionOf(Anchor.fromJSON(received));
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `too_old`, `corrupt_history`
   */
  positionOf(anchor: Anchor | string): number | null;
}
