// The functions that name documents by handle. They check what they are given, whatever its type.

import { observed, observers } from "./feed.js";
import {
  aHandle,
  aLiveHandle,
  aPosition,
  aString,
  aUnit,
  answer,
  answerBytes,
  badArgument,
  change,
  coded,
  created,
  deleteUnits,
  done,
  insertChar,
  isIndex,
  inputText,
  pastTheEnd,
  put,
  putBytes,
  someBytes,
  someOptions,
  tidy,
  wasm,
} from "./memory.js";
import { Anchor, versionBytes } from "./version.js";

export function create_document(agentId) {
  return created(wasm.crdt_create(put(anAgentId(agentId), 0)));
}

export function open_document(bytes, agentId) {
  return openFile(bytes, anAgentId(agentId), false);
}

/** An id of an agent, unless it has half of a surrogate pair: ids that differ in that alone would be one. */
export function anAgentId(value) {
  if (!/\p{Surrogate}/u.test(aString("agentId", value))) return value;
  throw coded("bad_agent_name", "an agent id has to be well-formed text: this one has half of a surrogate pair");
}

export function free_document(handle) {
  done(wasm.crdt_free(aHandle(handle)));
  observers.delete(handle);
}

export function get_text(handle) {
  const length = done(wasm.crdt_length(aHandle(handle)));
  if (length <= PIECE) return answer(wasm.crdt_slice(handle, 0, length));
  let text = "";
  for (let at = 0; at < length; at += PIECE) {
    const piece = answer(wasm.crdt_slice(handle, at, Math.min(at + PIECE, length)));
    try {
      text += piece;
    } catch {
      throw coded("too_large", `a string here cannot have ${length} units: take the text in parts, by slice()`);
    }
  }
  return text;
}

/** Long text is read in pieces of so many units, which takes little memory. */
const PIECE = 2 ** 18;

export function insert(handle, position, text) {
  if (observers.size === 0) return insertText(handle, position, text);
  return observed(handle, () => insertText(handle, position, text));
}

export function delete_range(handle, position, length) {
  if (observers.size === 0) return deleteText(handle, position, length);
  return observed(handle, () => deleteText(handle, position, length));
}

export function get_operations_json(handle) {
  return answer(wasm.crdt_operations(aHandle(handle)));
}

export function get_operations_since_json(handle, frontier) {
  const live = aLiveHandle(handle);
  return answer(wasm.crdt_operations_since(live, put(aString("frontier", frontier), 0)));
}

export function get_frontier_json(handle) {
  return answer(wasm.crdt_frontier(aHandle(handle)));
}

export function merge_operations(handle, ops, frontier) {
  const live = aLiveHandle(handle);
  aString("ops", ops);
  aString("frontier", frontier ?? "");
  return received(live, undefined, () => {
    const operations = put(ops, 0);
    return wasm.crdt_merge(live, operations, put(frontier ?? "", operations));
  });
}

export function encode_since(handle, version) {
  const live = aLiveHandle(handle);
  return answerBytes(wasm.crdt_encode_since(live, putBytes(versionBytes("version", version), 0)));
}

export function merge_bytes(handle, bytes) {
  return mergePatch(handle, bytes, undefined);
}

export function save(handle, options) {
  const live = aLiveHandle(handle);
  const [preset, withoutText, since] = saving(options);
  if (since === null) return answerBytes(wasm.crdt_save(live, preset, withoutText));
  return answerBytes(wasm.crdt_save_shallow(live, putBytes(since, 0), preset, withoutText));
}

export function anchor_at(handle, position, bias) {
  const live = aLiveHandle(handle);
  if (!isIndex(position)) {
    throw badArgument("position", "a whole number of UTF-16 units, zero or more", position);
  }
  return anchorAt(live, position, bias);
}

export function anchor_position(handle, anchor) {
  const live = aLiveHandle(handle);
  return positionOf(live, aString("anchor", anchor));
}

// What the class needs, too.

export function anchorAt(handle, position, bias) {
  if (bias !== "left" && bias !== "right") throw badArgument("bias", "left or right", bias);
  return answer(wasm.crdt_anchor(handle, position, bias === "right" ? 1 : 0));
}

export function positionOf(handle, anchor) {
  const text = anchor instanceof Anchor ? JSON.stringify(anchor) : aString("anchor", anchor);
  const position = wasm.crdt_anchor_position(handle, put(text, 0));
  return position === UNKNOWN ? null : done(position);
}

/** The character of an anchor has not arrived. */
const UNKNOWN = -2;

export function openFile(bytes, agentId, verify) {
  const file = someBytes("bytes", bytes);
  const agent = put(agentId, 0);
  const handle = wasm.crdt_open(agent, putBytes(file, agent), verify ? 1 : 0);
  tidy(0);
  return created(handle);
}

export function mergePatch(handle, bytes, origin) {
  const live = aLiveHandle(handle);
  const patch = someBytes("bytes", bytes);
  return received(live, origin, () => wasm.crdt_merge_bytes(live, putBytes(patch, 0)));
}

function received(handle, origin, merge) {
  return observed(handle, () => JSON.parse(answer(merge())), { origin, local: false });
}

const PRESETS = ["speed", "balanced", "size"];

function saving(options) {
  const { prefer = "balanced", text = true, since } = someOptions(options, SAVE_OPTIONS);
  const preset = PRESETS.indexOf(prefer);
  if (preset < 0) throw badArgument("prefer", `one of ${PRESETS.join(", ")}`, prefer);
  if (typeof text !== "boolean") throw badArgument("text", "a boolean", text);
  return [preset, text ? 0 : 1, since === undefined ? null : versionBytes("since", since)];
}

export const SAVE_OPTIONS = ["prefer", "text", "since"];

/** The upper bits of what is half a surrogate pair. */
const SURROGATES = 0xd800;

export function insertText(handle, position, text) {
  if (!isIndex(handle) || !isIndex(position) || typeof text !== "string") {
    throw badInsert(handle, position, text);
  }
  if (text.length === 1) {
    const unit = text.charCodeAt(0);
    if ((unit & 0xf800) !== SURROGATES) {
      return change(insertChar(handle, position, unit), position, 0, text);
    }
  }
  const length = put(text, 0);
  // A lone surrogate is mended on its way.
  const inserted = /[\ud800-\udfff]/.test(text) ? inputText(length) : text;
  const status = wasm.crdt_insert(handle, position, length);
  tidy(length);
  return change(status, position, 0, inserted);
}

export function deleteText(handle, position, length) {
  if (
    !isIndex(handle) ||
    !isIndex(position) ||
    !isIndex(length) ||
    !isIndex(position + length)
  ) {
    throw badDelete(handle, position, length);
  }
  return change(deleteUnits(handle, position, length), position, length, "");
}

/** Why an insertion was refused that the module cannot even be asked for. */
function badInsert(handle, position, text) {
  aLiveHandle(handle);
  aUnit("position", position);
  aString("text", text);
  return pastTheEnd(handle, "position", position);
}

function badDelete(handle, position, length) {
  aLiveHandle(handle);
  aUnit("position", position);
  aUnit("length", length);
  return isIndex(position)
    ? pastTheEnd(handle, "position + length", position + length)
    : pastTheEnd(handle, "position", position);
}
