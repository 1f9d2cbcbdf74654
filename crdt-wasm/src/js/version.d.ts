/**
 * A version of a document: the set of operations that a replica has. It is a value, and valid on every replica.
 *
 * ```js
 * const before = doc.version();
 * doc.insert(0, "new ");
 * doc.textAt(before); // the text without it
 * localStorage.version = before.toText();
 * Version.fromText(localStorage.version).equals(before); // true
 * ```
 */
export class Version {
  private constructor();
  /**
   * Reads a version from the bytes of `toBytes`.
   *
   * ```js
   * const theirs = Version.fromBytes(new Uint8Array(data));
   * ```
   *
   * @throws {CrdtError} `bad_argument`, `bad_bytes`
   */
  static fromBytes(bytes: BinaryData): Version;
  /**
   * Reads a version from the text of `toText`.
   *
   * ```js
   * const bookmark = Version.fromText(location.hash.slice(1));
   * ```
   *
   * @throws {CrdtError} `bad_argument`, `bad_bytes`
   */
  static fromText(text: string): Version;
  /**
   * The version as bytes, to send to others.
   *
   * ```js
   * send(doc.version().toBytes());
   * ```
   */
  toBytes(): Uint8Array;
  /**
   * The version as URL-safe text.
   *
   * ```js
   * location.hash = doc.version().toText();
   * ```
   */
  toText(): string;
  /** The same as `toText`. */
  toString(): string;
  /** The same as `toText`. */
  toJSON(): string;
  /**
   * Whether both are the same version. `Document.compare` tells which one is later.
   *
   * ```js
   * const isSaved = doc.version().equals(saved);
   * ```
   */
  equals(other: Version): boolean;
}

/** A position in the text that stays with its neighbouring character, on every replica. */
export class Anchor {
  private constructor();
  /**
   * Reads an anchor from the bytes of `toBytes`.
   *
   * ```js
   * const place = doc.positionOf(Anchor.fromBytes(bytes));
   * ```
   *
   * @throws {CrdtError} `bad_argument`, `bad_bytes`
   */
  static fromBytes(bytes: BinaryData): Anchor;
  /**
   * Reads an anchor from its JSON, as text or parsed.
   *
   * ```js
   * const place = doc.positionOf(Anchor.fromJSON(JSON.parse(text)));
   * ```
   *
   * @throws {CrdtError} `bad_argument`
   */
  static fromJSON(json: unknown): Anchor;
  /**
   * The anchor as bytes, to send to others.
   *
   * ```js
   * send(doc.anchorAt(5).toBytes());
   * ```
   */
  toBytes(): Uint8Array;
  /**
   * The anchor as a value for `JSON.stringify`.
   *
   * ```js
   * sync.setPresence("caret", doc.anchorAt(5).toJSON());
   * ```
   */
  toJSON(): unknown;
}
