/**
 * Creates an empty document and returns its handle.
 *
 * `agentId` names the replica in every operation that it makes: 1 to 128 bytes of UTF-8. Two replicas
 * that are edited at the same time must have different ids.
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
 * A position inside a surrogate pair is rounded down to the start of the pair. A lone surrogate in
 * `text` becomes U+FFFD. Returns the actual insertion.
 *
 * @throws {CrdtError} `dead_handle`, `bad_position`, `out_of_bounds`; the text is unchanged.
 */
export function insert(handle: number, position: number, text: string): TextChange;

/**
 * Deletes `length` UTF-16 code units from `position` on.
 *
 * A range that starts or ends inside a surrogate pair is widened to the whole pair. Returns the actual
 * deletion.
 *
 * @throws {CrdtError} `dead_handle`, `bad_position`, `out_of_bounds`; the text is unchanged.
 */
export function delete_range(handle: number, position: number, length: number): TextChange;

/**
 * All operations, as canonical JSON: replicas with the same operations return the same string.
 *
 * @throws {CrdtError} `dead_handle`
 */
export function get_operations_json(handle: number): string;

/**
 * The operations that are not at or before `frontier`, as JSON. With another replica's frontier,
 * these are the operations that it lacks. Unknown ids are ignored.
 *
 * @throws {CrdtError} `dead_handle`, or the frontier is malformed.
 */
export function get_operations_since_json(handle: number, frontier: string): string;

/**
 * The document's version as JSON: the ids of its last operations.
 *
 * @throws {CrdtError} `dead_handle`
 */
export function get_frontier_json(handle: number): string;

/**
 * Merges operations from `get_operations_json` or `get_operations_since_json` of another replica. The
 * resulting text does not depend on the order of merges, and merging twice has no effect.
 *
 * `frontier` is that of the sender, or empty, or omitted. With it, the report lists the operations of
 * the sender's version that are still missing here.
 *
 * @throws {CrdtError} when the JSON is malformed, or an id is known with other content; the
 * document is unchanged.
 */
export function merge_operations(handle: number, ops: string, frontier?: string | null): MergeReport;

/**
 * The operations that a replica at `version` lacks, as bytes for `merge_bytes`; all of them if `version`
 * is omitted. The binary form of `get_operations_since_json`.
 *
 * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_bytes`, `too_old`
 */
export function encode_since(handle: number, version?: Version | Uint8Array | null): Uint8Array;

/**
 * Merges bytes from `encode_since` or `Document.encodeSince`, in any order, any number of times. The
 * binary form of `merge_operations`.
 *
 * @throws {CrdtError} when the bytes are damaged, or an id is known with other content; the document is
 * unchanged.
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
 * @throws {CrdtError} `bad_agent_name`, or the reason why the file cannot be opened.
 */
export function open_document(bytes: BinaryData, agentId: string): number;

/**
 * An anchor at `position`, as text that every replica understands. With the bias `"right"` it stays with the
 * character after the position, so that text inserted there comes before the anchor; with `"left"`, it stays
 * with the character before.
 *
 * The first anchor of a document takes as long as replaying its history; later ones are cheap.
 *
 * @throws {CrdtError} `dead_handle`, `bad_argument`, `out_of_bounds`
 */
export function anchor_at(handle: number, position: number, bias: "left" | "right"): string;

/**
 * The current position of an anchor: that of its character, or of the gap where the character was deleted.
 * `null` while the character has not arrived here.
 *
 * @throws {CrdtError} `dead_handle`, `bad_argument` if it is not an anchor
 */
export function anchor_position(handle: number, anchor: string): number | null;

/** Converts a list of changes, from the end of the text to its start, to a delta, from its start to its end. */
export function toDelta(changes: readonly TextChange[]): Delta;

/** Bytes in any container. */
export type BinaryData = ArrayBuffer | ArrayBufferView;

/** One step of a delta, in UTF-16 code units: keeps, deletes or inserts text at the current position. */
export type DeltaStep = { retain: number } | { delete: number } | { insert: string };

/** A change of the text from its start on, in Quill's format; text after the last step stays. */
export type Delta = DeltaStep[];

/** The author of the edits of a new replica. */
export interface ReplicaOptions {
  /**
   * The name of the person, as `history` and `blame` give it: consecutive spaces count as one. Any number of
   * replicas may have the same name. Agent ids sort by these names.
   */
  name?: string;
  /**
   * The name of the replica: 1 to 128 bytes of UTF-8. Two replicas that are edited at the same time must have
   * different ids, and so must a replica that lost edits which others have. By default, the id is unique.
   */
  agentId?: string;
  /**
   * The text that a new document begins with, such as a template. Replicas that begin with the same text
   * begin with the same operations: if two people each create a new document and connect later, the text is
   * there once. It is ignored when a file or a branch is opened.
   *
   * Everybody who creates the document has to give the same text: different texts are all inserted.
   */
  initialText?: string;
}

/** How a document is written to a file. */
export interface SaveOptions {
  /**
   * The goal. `"speed"`: quick to write and to read. `"balanced"`, the default: opens as quickly, and
   * compresses the history well. `"size"`: compresses the text well too, and is slow to open.
   */
  prefer?: "speed" | "balanced" | "size";
  /** Whether the text is part of the file; by default it is. Without it, opening replays the history. */
  text?: boolean;
  /**
   * Drops the history before this version, or before an earlier one that all later edits build on. Edits that
   * do not build on all of that version can no longer be merged.
   */
  since?: Version;
}

/** The effect of one transaction or merge on the text: the event `change`. */
export interface ChangeEvent {
  /** The replacements, from the end of the text to its start. */
  readonly changes: TextChange[];
  /** The same as a delta, from the start of the text to its end. */
  readonly delta: Delta;
  /** The origin given with the transaction or the merge. For an undo or redo, it is the `UndoManager`. */
  readonly origin: unknown;
  /** Whether it is an edit of this replica, not a merge. */
  readonly local: boolean;
}

/** The events of a document, by name, with what listeners get. */
export interface DocumentEvents {
  /** The text changed: by an edit, a merge, or the network. Once for each transaction. */
  change: (event: ChangeEvent) => void;
  /** There are new operations: other replicas merge these bytes with `merge`. */
  update: (bytes: Uint8Array, how: { origin: unknown; local: boolean }) => void;
}

/** A run of the history: consecutive edits of one agent. */
export interface HistoryRun {
  /** The replica that made it. */
  agent: string;
  /** The name of the person, or of the replica if no name was given. */
  name: string;
  /** Its start by its author's clock, in milliseconds since 1970, to the minute; `null` if unknown. */
  time: number | null;
  kind: "insert" | "delete";
  /** How many characters (Unicode scalars) were inserted or deleted. */
  length: number;
  /** The inserted text; empty for a deletion. */
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
  /** The name of the person, or of the replica if no name was given. */
  name: string;
  /** The time by its author's clock, in milliseconds since 1970, to the minute; `null` if unknown. */
  time: number | null;
  /** The version of its author right after that. */
  version: Version;
}

/** The options of `mergeAsync`. */
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
 * Positions and lengths are in UTF-16 code units. Every error is a `CrdtError`, and leaves the document
 * unchanged.
 *
 * The flat API and `NetworkSync` accept the `handle` of a `Document`. Call `free()` when you no longer
 * need it; after that, every method
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
   * Creates an empty document. Without an argument its agent id is unique; a string is the `agentId`,
   * see `ReplicaOptions`.
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
   * Opens a file that `save` wrote. The text can be read and edited at once; the history is read when
   * it is first needed. Checksums are verified, and the file is trusted otherwise: for files from others
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
   * Opens a file from an untrusted source: replays its whole history, and checks that it produces the text
   * in the file.
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
   * The name of this replica, which is part of the id of each of its operations.
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
   * A part of the text. A position inside a surrogate pair is rounded down to the start of the pair.
   *
   * ```js
   * doc.slice(0, 5); // "Hello"
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_position`, `out_of_bounds`
   */
  slice(from?: number, to?: number): string;

  /**
   * Inserts text at a position. A position inside a surrogate pair is rounded down to the start of the pair; a
   * lone surrogate in the text becomes U+FFFD. Returns the actual insertion.
   *
   * ```js
   * doc.insert(0, "Hello"); // { position: 0, deleted: 0, inserted: "Hello" }
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_position`, `out_of_bounds`, `too_large`
   */
  insert(position: number, text: string): TextChange;
  /**
   * Deletes `length` code units from a position on, widened to whole surrogate pairs. Returns the actual
   * deletion.
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
   * @throws {CrdtError} as `insert`; the text is unchanged.
   */
  applyDelta(delta: Delta, origin?: unknown): void;
  /**
   * Makes the edits of `act` as one: with one event `change`, and one step of an `UndoManager`. Returns
   * what `act` returns. An error that `act` throws is rethrown; the edits before it stay. A nested transaction is
   * part of the outer one. `act` is called at once; edits that it makes later are not part of the transaction.
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
   * Adds a listener, and returns a function that removes it. Listeners are called after each transaction and
   * merge; a merge by the network runs in a task of its own. Listeners may call anything. Their errors go to
   * `reportError`, or to `console.error` if there is no `reportError`, as in Node, and do not affect other
   * listeners. All listeners get the same objects: copy before you change them.
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
   * Removes a listener.
   *
   * ```js
   * doc.off("change", show);
   * ```
   */
  off<K extends keyof DocumentEvents>(event: K, listener: DocumentEvents[K]): void;

  /**
   * The current version of the document.
   *
   * ```js
   * socket.send(doc.version().toBytes());
   * ```
   *
   * @throws {CrdtError} `dead_handle`
   */
  version(): Version;
  /**
   * The relation of version `a` to `b`: `"before"` if `b` contains `a` and more.
   *
   * ```js
   * doc.compare(earlier, doc.version()); // "before"
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_bytes`, `unknown_event`
   */
  compare(a: Version, b: Version): "equal" | "before" | "after" | "concurrent";
  /**
   * The operations that a replica at `version` lacks, as bytes for `merge`; all of them if `version` is
   * omitted. A few bytes if it lacks nothing.
   *
   * ```js
   * socket.onmessage = ({ data }) => socket.send(doc.encodeSince(Version.fromBytes(data)));
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_bytes`, `too_old`, `corrupt_history`
   */
  encodeSince(version?: Version | null): Uint8Array;
  /**
   * Merges bytes from `encodeSince` or the event `update` of another replica. The resulting text does not
   * depend on the order of merges, and merging twice has no effect.
   *
   * ```js
   * const { changes } = doc.merge(new Uint8Array(data), "socket");
   * ```
   *
   * @throws {CrdtError} when the bytes are damaged, or an id is known with other content; the document is
   * unchanged.
   */
  merge(bytes: BinaryData, origin?: unknown): MergeReport;
  /**
   * Like `merge`, in pieces of about ten milliseconds, so that the page stays responsive: for the edits of a
   * long absence. The document can be read, edited and merged with meanwhile.
   *
   * The bytes are merged into a copy of the document first, which takes memory for both. If the document is
   * not changed meanwhile, the result appears at the end, all at once. Otherwise the bytes are merged again, into
   * the document itself, and appear in pieces. The event `change` has the changes of the text.
   *
   * A piece takes longer if its operations are concurrent with many others.
   *
   * ```js
   * const leaving = new AbortController();
   * await doc.mergeAsync(bytes, { signal: leaving.signal, onProgress: (part) => (bar.value = part) });
   * ```
   *
   * Rejects with the errors of `merge`, and with the reason of the signal. Nothing is merged then, except for
   * pieces that have already appeared.
   */
  mergeAsync(bytes: BinaryData, options?: MergeAsyncOptions | null): Promise<Omit<MergeReport, "changes">>;
  /**
   * The document as a file: its whole history and its text. It does not contain operations that
   * wait for others.
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
   * current version.
   *
   * ```js
   * const file = doc.saveShallow(); // the text without its history
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
   * The first call that uses the history or anchors takes as long as replaying the history; later ones are
   * cheap.
   *
   * ```js
   * doc.textAt(yesterday);
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_bytes`, `unknown_event`, `too_old`, `corrupt_history`
   */
  textAt(version: Version): string;
  /**
   * The changes that turn the text at one version into the text at another, from the end of the text to its
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
   * Who inserted a part of the text, by default all of it, and when. Text that an undo or `revertTo`
   * restored counts as inserted by the agent that restored it. Text older than the history of a shallow document
   * is omitted.
   *
   * ```js
   * for (const { from, to, name } of doc.blame()) mark(from, to, name);
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `bad_position`, `out_of_bounds`, `corrupt_history`
   */
  blame(from?: number, to?: number): BlamePiece[];
  /**
   * Restores the text of a version with new edits: all later edits are removed from the text, and stay in the
   * history.
   *
   * ```js
   * doc.revertTo(yesterday);
   * ```
   *
   * @throws {CrdtError} as `textAt`, and `too_large`
   */
  revertTo(version: Version, origin?: unknown): void;
  /**
   * A new document with the history up to a version, by default the whole history. It is an ordinary replica
   * that can be merged back.
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
   * An anchor at a position: a caret, an end of a comment. With the bias `"right"`, the default, it
   * stays with the character after the position, so that text inserted there comes before the anchor; with
   * `"left"`, it stays with the character before.
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
   * The current position of an anchor: that of its character, or of the gap where the character was deleted.
   * `null` while the character has not arrived here.
   *
   * ```js
   * const position = doc.positionOf(Anchor.fromJSON(received));
   * ```
   *
   * @throws {CrdtError} `dead_handle`, `bad_argument`, `too_old`, `corrupt_history`
   */
  positionOf(anchor: Anchor | string): number | null;
}
