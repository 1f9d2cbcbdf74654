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
 * A collaborative text document.
 *
 * It stands in the same registry as the documents of the flat API: `handle` is good for every
 * function there, and for `NetworkSync`. `free()` it when done; used after that, every method
 * throws a `CrdtError` with the code `dead_handle`. A document that is garbage-collected without
 * `free()` is freed too, unless its `handle` was ever read.
 */
export class Document {
  /** Creates an empty document; `agentId` names the replica, see `create_document`. */
  constructor(agentId: string);
  /** The document's handle in the flat API. */
  readonly handle: number;
  /** Frees the document. A second call does nothing. */
  free(): void;
  [Symbol.dispose](): void;
  /** The whole text. */
  getText(): string;
  /** Inserts text at a position in UTF-16 code units, see `insert`. */
  insert(position: number, text: string): TextChange;
  /** Deletes UTF-16 code units from a position on, see `delete_range`. */
  deleteRange(position: number, length: number): TextChange;
  /** All operations as canonical JSON, see `get_operations_json`. */
  getOperationsJson(): string;
  /** The operations not at or before `frontier`, see `get_operations_since_json`. */
  getOperationsSinceJson(frontier: string): string;
  /** The document's version as JSON, see `get_frontier_json`. */
  getFrontierJson(): string;
  /** Merges another replica's operations, see `merge_operations`. */
  mergeOperations(ops: string, frontier?: string | null): MergeReport;
}
