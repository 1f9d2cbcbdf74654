/**
 * A version of a document: what a replica has seen. It is a value, and good on every replica.
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
   * A version from what `toBytes` gave.
   *
   * ```js
   * const theirs = Version.fromBytes(new Uint8Array(data));
   * ```
   *
   * @throws {CrdtError} `bad_argument`, `bad_bytes`
   */
  static fromBytes(bytes: BinaryData): Version;
  /**
   * A version from what `toText` gave.
   *
   * ```js
   * const bookmark = Version.fromText(location.hash.slice(1));
   * ```
   *
   * @throws {CrdtError} `bad_argument`, `bad_bytes`
   */
  static fromText(text: string): Version;
  /**
   * The version as bytes: to send it to others.
   *
   * ```js
   * send(doc.version().toBytes());
   * ```
   */
  toBytes(): Uint8Array;
  /**
   * The version as text, of letters that are safe in an address.
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
   * Whether both are the same version. Which one is later says `Document.compare`.
   *
   * ```js
   * const isSaved = doc.version().equals(saved);
   * ```
   */
  equals(other: Version): boolean;
}

/** A place in the text that stays with the character beside it, on every replica. */
export class Anchor {
  private constructor();
  /**
   * An anchor from what `toBytes` gave.
   *
   * ```js
   * const place = doc.positionOf(Anchor.fromBytes(bytes));
   * ```
   *
   * @throws {CrdtError} `bad_argument`, `bad_bytes`
   */
  static fromBytes(bytes: BinaryData): Anchor;
  /**
   * Takes what `JSON.stringify` made of an anchor, or `JSON.parse` of that.
   *
   * ```js
   * const place = doc.positionOf(Anchor.fromJSON(JSON.parse(text)));
   * ```
   *
   * @throws {CrdtError} `bad_argument`
   */
  static fromJSON(json: unknown): Anchor;
  /**
   * The anchor as bytes: to send it to others.
   *
   * ```js
   * send(doc.anchorAt(5).toBytes());
   * ```
   */
  toBytes(): Uint8Array;
  /**
   * The anchor as what `JSON.stringify` takes.
   *
   * ```js
   * sync.setPresence("caret", doc.anchorAt(5).toJSON());
   * ```
   */
  toJSON(): unknown;
}
