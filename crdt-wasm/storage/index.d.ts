// The declarations of crdt-wasm/storage.
import type { CrdtErrorCode, Document, ReplicaOptions, TextChange } from "crdt-wasm";

/** Something that has the methods of `Document`; each entry of the package has such a class. */
export type AnyDocument = Pick<
  Document,
  "agentId" | "compare" | "encodeSince" | "free" | "length" | "merge" | "on" | "save" | "version"
>;

/** A class of documents: `Document` of the entry that a page uses. */
export interface DocumentClass<D extends AnyDocument> {
  new (agent?: ReplicaOptions | string | null): D;
  open(bytes: ArrayBuffer | ArrayBufferView, agent?: ReplicaOptions | string | null): D;
}

/** The stable codes of what can go wrong with a storage. */
export type StorageErrorCode = Extract<CrdtErrorCode, `storage_${string}`>;

export interface StoredStatus {
  /**
   * `saved`: all edits are stored. `saving`: the last ones are on their way. `unsaved`: the last ones are
   * only in memory, and `problem` says why.
   */
  state: "saved" | "saving" | "unsaved";
  /** What is wrong with the storage, until it works again. */
  problem: { code: StorageErrorCode; message: string } | null;
  /** Whether the browser promised to keep what is stored when it needs space; `null` until it said so. */
  persisted: boolean | null;
}

/** The events of a stored document, by name, with what listeners get. */
export interface StoredEvents {
  /** The status changed. */
  status: StoredStatus;
  /** An edit that another tab stored changed the text. `NetworkSync` reports changes by the network. */
  change: TextChange[];
}

/** How much of a document was read. */
export interface StoredProgress {
  /** Parts that are read: the file, and each update beside it. */
  done: number;
  total: number;
}

/** The author of the edits of an opening. */
export type StoredReplica = Omit<ReplicaOptions, "agentId">;

export interface StoredOptions<D extends AnyDocument = Document> {
  /**
   * A document that takes in what is stored, and is stored from then on. Left out, one is made. It keeps its agent
   * id: if two openings of a name, in two tabs or programs, are edited under one id, the edits of one are lost.
   */
  document?: D;
  /**
   * The class of the document to make, for pages that use another entry than `crdt-wasm`; or a promise of it, so
   * that the storage is read while the entry is loaded: `init().then(() => Document)`.
   */
  Document?: DocumentClass<D> | Promise<DocumentClass<D>>;
  /**
   * The name of the person, and the text that a document begins with if nothing is stored yet, as for
   * `new Document`. A string is the name. Each opening is a replica of its own, with a unique agent id: an
   * `agentId` is refused.
   */
  agent?: StoredReplica | string | null;
  /** Where it is stored. The default is IndexedDB. */
  storage?: DocumentStorage | null;
  /** Whether the browser is asked to keep what is stored, once there is something; by default it is. */
  persist?: boolean;
  /** Called while a long document is read. What it throws is reported as an error of the page, as for a listener. */
  onProgress?: (progress: StoredProgress) => void;
}

/**
 * A document that is kept on the device: its edits are stored by themselves, those made here, those of other
 * tabs, and those that come by the network.
 */
export interface StoredDocument<D extends AnyDocument = Document> {
  readonly name: string;
  readonly document: D;
  readonly status: StoredStatus;
  /** Adds a listener, and returns what takes it away again. */
  on<K extends keyof StoredEvents>(event: K, listener: (payload: StoredEvents[K]) => void): () => void;
  /** Takes a listener away. */
  off<K extends keyof StoredEvents>(event: K, listener: (payload: StoredEvents[K]) => void): void;
  /**
   * Stores what was edited now; by itself that is usually done within 50 ms.
   *
   * @throws {CrdtError} why that cannot be stored
   */
  flush(): Promise<void>;
  /**
   * Replaces what is stored by one file, as happens now and then by itself. What is damaged is given up.
   *
   * @throws {CrdtError} why that cannot be stored
   */
  compact(): Promise<void>;
  /**
   * Stores what is left, and stops. The document stays, and is the caller's to free. If it is freed first, by `free`
   * or `using`, its last edits are still stored; `free_document` with its handle loses them, which is an error here.
   *
   * @throws {CrdtError} why something could not be stored; it has stopped all the same
   */
  close(): Promise<void>;
}

/** A stored document in a list. */
export interface StoredEntry {
  name: string;
  /** How many bytes it takes. */
  bytes: number;
  /** When it was last written, in milliseconds since 1970. */
  changed: number;
}

/** What a storage has of a document. */
export interface StoredContent {
  /** The file that `replace` was given last, or null. */
  file: Uint8Array | null;
  /** What was appended since, in any order. */
  updates: Uint8Array[];
  /** Set where the storage could not read a part, which then stays as it is. */
  damage?: Error | null;
  /** What tells the storage which content this is; it may be anything but `null` and `undefined`. */
  mark: unknown;
}

/**
 * A place where documents are stored. Several programs may use one at the same time.
 *
 * An error that one of its functions throws is reported in the status, and the call is retried. So is that it
 * does not answer for 10 s (`storage_timeout`); its answer is still waited for. While `join` or `alone` fails
 * (`storage_failed`), edits are stored all the same.
 *
 * Files have checksums, updates do not: a storage whose medium may change bytes has to keep checksums of updates.
 */
export interface DocumentStorage {
  /** Everything that is stored of a document; `null` if that is nothing. */
  load(name: string): Promise<StoredContent | null>;
  /**
   * Adds updates, durably once the promise is fulfilled. `mark` is what `load`, `append` or `replace` gave
   * out last, or `null` after `load` found nothing.
   *
   * Resolves to the mark to give next; to `null` if the document that `mark` belongs to is not there any
   * more, in which case nothing is written.
   */
  append(name: string, updates: Uint8Array[], mark: unknown): Promise<unknown>;
  /**
   * Puts a file in the place of the content that `mark` stands for, as a whole or not at all. What was
   * appended since that was loaded stays.
   *
   * Resolves to the mark to give next; to `null` if another file took that place, or the document is not
   * there any more, in which case nothing is written. With the mark `null`, the document is created.
   */
  replace(name: string, file: Uint8Array, mark: unknown): Promise<unknown>;
  /** Forgets a document. */
  remove(name: string): Promise<void>;

  /** All documents, for `listStored`. */
  list?(): Promise<StoredEntry[]>;
  /** Asks for the content to be kept, and says whether it will be. */
  persist?(): Promise<boolean>;
  /**
   * Keeps updates at once, without waiting, as the page may end: whoever loads the document next gets them.
   * Returns what takes them away again, for when they have been appended; `null` where they cannot be kept.
   */
  leaveBehind?(name: string, updates: Uint8Array[]): (() => void) | null;
  /** Acts while no other program does for this document; resolves to `undefined` if one does. */
  alone?<T>(name: string, act: () => Promise<T>): Promise<T | undefined>;
  /** Joins those who have the document open: each gets what another one posts. `null` where none can be reached. */
  join?(
    name: string,
    receive: (message: StorageMessage) => void,
  ): { post(message: StorageMessage): void; leave(): void } | null;
}

/** What those say who have a document open. */
export type StorageMessage =
  /** These are stored, or could not be. */
  | { updates: Uint8Array[]; isUnsaved?: boolean; problem?: undefined; isGone?: undefined }
  /** The document was removed; or a newer version of the page has the storage. */
  | { problem: "removed" | "takenOver"; updates?: undefined; isGone?: undefined }
  /** What is stored was thrown away: it is to be written anew. */
  | { isGone: true; updates?: undefined; problem?: undefined };

/**
 * Opens a document that is stored on this device, or begins one.
 *
 * The promise is fulfilled once the document is there, before any network. It is fulfilled also where
 * nothing can be stored: the document goes on in memory, `status` says why, and it is tried again where that
 * may help.
 *
 * ```js
 * const stored = await openStored("garden");
 * stored.on("status", ({ state, problem }) => show(state, problem?.message));
 * stored.document.insert(0, "Hello"); // stored by itself
 * ```
 *
 * @throws {CrdtError} `bad_argument`, `bad_agent_name`
 */
export function openStored<D extends AnyDocument = Document>(
  name: string,
  options?: StoredOptions<D> | null,
): Promise<StoredDocument<D>>;

/**
 * The documents that are stored on this device.
 *
 * @throws {CrdtError} why they cannot be read
 */
export function listStored(options?: { storage?: DocumentStorage | null } | null): Promise<StoredEntry[]>;

/**
 * Deletes a stored document. Tabs that have it open keep the text in memory, with the problem
 * `storage_removed`.
 *
 * @throws {CrdtError} why it cannot be deleted
 */
export function removeStored(name: string, options?: { storage?: DocumentStorage | null } | null): Promise<void>;

/**
 * The browser's database of that name, by default `crdt-wasm`.
 *
 * @throws {CrdtError} `bad_argument`
 */
export function indexedDbStorage(options?: { database?: string } | null): DocumentStorage;
