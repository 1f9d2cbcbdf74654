// Versions and anchors, as values.

import { aString, answer, answerBytes, badArgument, coded, done, put, putBytes, someBytes, wasm } from "./memory.js";

const decoder = new TextDecoder();

export class Version {
  #bytes;

  constructor(bytes) {
    const given = someBytes("bytes", bytes).slice();
    done(wasm.crdt_check_version(putBytes(given, 0)));
    this.#bytes = given;
  }

  static fromBytes(bytes) {
    return new Version(bytes);
  }

  static fromText(text) {
    return new Version(fromBase64(aString("text", text)));
  }

  /** The version after an event, of which nothing else is known. */
  static after(agent, seq) {
    return new Version(new TextEncoder().encode(JSON.stringify([[agent, seq]])));
  }

  toBytes() {
    return this.#bytes.slice();
  }

  toText() {
    return toBase64(this.#bytes);
  }

  toString() {
    return this.toText();
  }

  toJSON() {
    return this.toText();
  }

  equals(other) {
    return other instanceof Version && heads(this.#bytes) === heads(other.#bytes);
  }
}

/** The frontier that the bytes begin with, which is canonical. */
function heads(bytes) {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** The version of a document that has nothing. */
const NOTHING = new Uint8Array([0x5b, 0x5d]);

/** The bytes of a version, or of one that was given as bytes; left out, it is that of nothing. */
export function versionBytes(name, version) {
  if (version === undefined || version === null) return NOTHING;
  if (version instanceof Version) return version.toBytes();
  if (typeof version === "object" && typeof version.toBytes === "function") {
    throw badArgument(name, "a Version of this copy of the package", version);
  }
  return someBytes(name, version);
}

export class Anchor {
  #json;

  constructor(json) {
    this.#json = aString("json", json);
  }

  static fromBytes(bytes) {
    return new Anchor(answer(wasm.crdt_anchor_json(putBytes(someBytes("bytes", bytes), 0))));
  }

  static fromJSON(value) {
    const bytes = answerBytes(wasm.crdt_anchor_bytes(put(jsonOf(value), 0)));
    return Anchor.fromBytes(bytes);
  }

  toBytes() {
    return answerBytes(wasm.crdt_anchor_bytes(put(this.#json, 0)));
  }

  toJSON() {
    return JSON.parse(this.#json);
  }
}

function jsonOf(value) {
  if (typeof value === "string") return value;
  let json;
  try {
    json = JSON.stringify(value);
  } catch {
    // It is none that JSON can hold.
  }
  if (json === undefined) throw badArgument("anchor", "what JSON.stringify made of an anchor", value);
  return json;
}

function toBase64(bytes) {
  let units = "";
  for (const byte of bytes) units += String.fromCharCode(byte);
  return btoa(units).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64(text) {
  let units;
  try {
    units = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    throw coded("bad_bytes", "the text is no version: give what toText() returned, as a whole");
  }
  return Uint8Array.from(units, (unit) => unit.charCodeAt(0));
}
