// The class `Document`.

import { anEvent, feedOf, observed, observers } from "./feed.js";
import {
  SAVE_OPTIONS,
  anAgentId,
  anchorAt,
  create_document,
  deleteText,
  get_frontier_json,
  get_operations_json,
  get_operations_since_json,
  get_text,
  encode_since,
  insertText,
  mergePatch,
  merge_operations,
  openFile,
  positionOf,
  save,
} from "./flat.js";
import {
  aFunction,
  aLiveHandle,
  aPosition,
  aString,
  answer,
  answerBytes,
  badArgument,
  coded,
  created,
  done,
  put,
  putBytes,
  someOptions,
  wasm,
} from "./memory.js";
import { mergeInPieces } from "./pieces.js";
import { Anchor, Version, versionBytes } from "./version.js";

/** Frees the documents whose wrappers are gone. */
const forgotten = new FinalizationRegistry((handle) => wasm.crdt_forget(handle));

/** The handle that the next wrapper is for, where there is a document already. */
let adopted = 0;

export class Document {
  #handle;
  /** What the clock said when it was looked at last for this document. */
  #stampedAt = -1;

  constructor(agent) {
    if (adopted > 0) {
      this.#handle = adopted;
      adopted = 0;
    } else {
      const operations = initialOperations(agent);
      this.#handle = create_document(agentIdOf(agent));
      if (operations !== null) merge_operations(this.#handle, operations);
    }
    forgotten.register(this, this.#handle, this);
  }

  static open(bytes, agent) {
    return adopt(openFile(bytes, agentIdOf(agent), false));
  }

  static openVerified(bytes, agent) {
    return adopt(openFile(bytes, agentIdOf(agent), true));
  }

  get handle() {
    return this.#handle;
  }

  get agentId() {
    return answer(wasm.crdt_agent(this.#handle));
  }

  free() {
    forgotten.unregister(this);
    // The one failure is that it is freed already.
    wasm.crdt_free(this.#handle);
    observers.delete(this.#handle);
  }

  // The text.

  get length() {
    return done(wasm.crdt_length(this.#handle));
  }

  getText() {
    return get_text(this.#handle);
  }

  toString() {
    return get_text(this.#handle);
  }

  slice(from, to) {
    const handle = this.#handle;
    const { length } = this;
    const end = to === undefined ? length : aPosition(handle, "to", to);
    return answer(wasm.crdt_slice(handle, from === undefined ? 0 : aPosition(handle, "from", from), end));
  }

  insert(position, text) {
    if (clock !== this.#stampedAt) this.#stamp();
    if (observers.size === 0) return insertText(this.#handle, position, text);
    return observed(this.#handle, () => insertText(this.#handle, position, text));
  }

  deleteRange(position, length) {
    if (clock !== this.#stampedAt) this.#stamp();
    if (observers.size === 0) return deleteText(this.#handle, position, length);
    return observed(this.#handle, () => deleteText(this.#handle, position, length));
  }

  delete(position, length) {
    return this.deleteRange(position, length);
  }

  replace(position, length, text) {
    aString("text", text);
    return this.transact(() =>
      allOrNothing([{ inserted: text }], () => {
        const gone = this.deleteRange(position, length);
        const come = this.insert(gone.position, text);
        return { ...gone, inserted: come.inserted };
      }),
    );
  }

  applyDelta(delta, origin) {
    const edits = readDelta(delta, this.length);
    const act = () => {
      // From the end, so that the other positions stay.
      for (const { position, deleted, inserted } of edits.reverse()) {
        const { position: at } = this.deleteRange(position, deleted);
        this.insert(at, inserted);
      }
    };
    this.transact(() => allOrNothing(edits, act), origin);
  }

  transact(act, origin) {
    aFunction("act", act);
    return observed(aLiveHandle(this.#handle), act, { origin, local: true });
  }

  // Events.

  on(event, listener) {
    anEvent(event);
    aFunction("listener", listener);
    feedOf(aLiveHandle(this.#handle), this).add(event, listener);
    return () => this.off(event, listener);
  }

  off(event, listener) {
    observers.get(this.#handle)?.remove(anEvent(event), listener);
  }

  // Exchange.

  version() {
    return new Version(answerBytes(wasm.crdt_version(this.#handle)));
  }

  compare(a, b) {
    return STANDINGS[this.#withTwo(a, b, (handle, a, b) => done(wasm.crdt_compare(handle, a, b)))];
  }

  encodeSince(version) {
    return encode_since(this.#handle, version);
  }

  merge(bytes, origin) {
    return mergePatch(this.#handle, bytes, origin);
  }

  async mergeAsync(bytes, options) {
    try {
      return await mergeInPieces(this.#handle, bytes, options);
    } finally {
      // A copy may have taken its place, made before the time was set.
      this.#stampedAt = -1;
    }
  }

  save(options) {
    return save(this.#handle, options);
  }

  saveShallow(since, options) {
    return save(this.#handle, { ...someOptions(options, SAVE_OPTIONS), since: since ?? this.version() });
  }

  getOperationsJson() {
    return get_operations_json(this.#handle);
  }

  getOperationsSinceJson(frontier) {
    return get_operations_since_json(this.#handle, frontier);
  }

  getFrontierJson() {
    return get_frontier_json(this.#handle);
  }

  mergeOperations(ops, frontier) {
    return merge_operations(this.#handle, ops, frontier);
  }

  // History.

  textAt(version) {
    return answer(wasm.crdt_text_at(aLiveHandle(this.#handle), aVersion("version", version)));
  }

  diff(from, to) {
    return this.#withTwo(from, to, (handle, from, to) =>
      JSON.parse(answer(wasm.crdt_diff(handle, from, to))),
    );
  }

  history() {
    return runs(aLiveHandle(this.#handle));
  }

  blame(from, to) {
    const handle = aLiveHandle(this.#handle);
    const start = from === undefined ? 0 : aPosition(handle, "from", from);
    const end = to === undefined ? this.length : aPosition(handle, "to", to);
    const pieces = JSON.parse(answer(wasm.crdt_blame(handle, start, end)));
    return pieces.map(([from, to, agent, seq, time]) => ({
      from,
      to,
      agent,
      name: nameOf(agent),
      time,
      version: Version.after(agent, seq - 1),
    }));
  }

  revertTo(version, origin) {
    const handle = aLiveHandle(this.#handle);
    if (clock !== this.#stampedAt) this.#stamp();
    const bytes = versionBytes("version", needed("version", version));
    observed(handle, () => done(wasm.crdt_revert(handle, putBytes(bytes, 0))), {
      origin,
      local: true,
    });
  }

  branch(version, agent) {
    const handle = aLiveHandle(this.#handle);
    const bytes = versionBytes("version", version ?? this.version());
    const name = put(agentIdOf(agent), 0);
    return adopt(created(wasm.crdt_branch(handle, name, putBytes(bytes, name))));
  }

  // Anchors.

  anchorAt(position, bias) {
    const handle = aLiveHandle(this.#handle);
    return new Anchor(anchorAt(handle, aPosition(handle, "position", position), bias ?? "right"));
  }

  positionOf(anchor) {
    return positionOf(aLiveHandle(this.#handle), anchor);
  }

  /** Calls for two versions, which are in the input buffer one after the other. */
  #withTwo(a, b, call) {
    const handle = aLiveHandle(this.#handle);
    const [first, second] = [a, b].map((version) => versionBytes("version", needed("version", version)));
    const length = putBytes(first, 0);
    return call(handle, length, putBytes(second, length));
  }

  /** Says when the edits are made that follow. */
  #stamp() {
    if (clock === 0) startClock();
    this.#stampedAt = clock;
    wasm.crdt_set_time(this.#handle, clock);
  }
}

if (Symbol.dispose) Document.prototype[Symbol.dispose] = Document.prototype.free;

const STANDINGS = ["equal", "before", "after", "concurrent"];

function adopt(handle) {
  adopted = handle;
  return new Document();
}

/** The history by pages, which grow: what was read before is passed over again for each. */
function* runs(handle) {
  for (let first = 0, count = 1024; ; first += count, count *= 2) {
    const page = JSON.parse(answer(wasm.crdt_history(handle, first, count)));
    for (const [agent, seq, length, kind, text, time] of page) {
      yield {
        agent,
        name: nameOf(agent),
        time,
        kind: kind === 0 ? "insert" : "delete",
        length,
        text,
        version: Version.after(agent, seq + length - 1),
      };
    }
    if (page.length < count) return;
  }
}

function needed(name, version) {
  if (version === undefined || version === null) throw badArgument(name, "a Version", version);
  return version;
}

/** Puts a version into the input buffer. */
function aVersion(name, version) {
  return putBytes(versionBytes(name, needed(name, version)), 0);
}

// The clock, which is looked at once a minute: each time makes what is sent next a little longer.

const MINUTE = 60_000;
/** Its last answer, which edits read; 0 when it has to be asked again. */
let clock = 0;

function startClock() {
  clock = Date.now();
  const timer = setTimeout(() => {
    clock = 0;
  }, MINUTE);
  // Node would wait for it.
  timer.unref?.();
}

// Names.

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/**
 * Behind a person's name, what tells their replicas apart. Names have no two spaces in a row, and no char is
 * below a space, so replicas of different people sort as their names do. Other versions wrote the
 * other marks.
 */
const MARK = "  ";
const TAIL = /(?: {2}|~|\x01)[\w-]{12}$/;

/** The name of a new replica: the one that was given, or one that nobody else has. */
function agentIdOf(agent) {
  if (typeof agent === "string") return anAgentId(agent);
  const { name = "", agentId } = someOptions(agent, REPLICA_OPTIONS);
  if (agentId !== undefined) return anAgentId(agentId);
  const person = aString("name", name).replace(/ {2,}/g, " ").replace(/ $/, "");
  const random = crypto.getRandomValues(new Uint8Array(12));
  return person + MARK + Array.from(random, (byte) => LETTERS[byte & 63]).join("");
}

/** Makes edits that are checked, if there is memory for all of them. */
function allOrNothing(edits, act) {
  const bytes = edits.reduce((sum, { inserted }) => sum + BYTES_OF_EDIT + 3 * inserted.length, 0);
  done(wasm.crdt_begin_edits(Math.min(bytes, 2 ** 31)));
  try {
    return act();
  } finally {
    wasm.crdt_end_edits();
  }
}

/** More than an edit takes beside its text. */
const BYTES_OF_EDIT = 64;

const REPLICA_OPTIONS = ["name", "agentId", "initialText"];

/**
 * The operations that make the text a document begins with; null for none. They are the same wherever the
 * text is: a replica of their own makes them, whose name follows from it.
 */
function initialOperations(agent) {
  if (typeof agent === "string") return null;
  const text = aString("initialText", someOptions(agent, REPLICA_OPTIONS).initialText ?? "");
  if (text === "") return null;
  const handle = create_document(`initial~${fingerprint(text)}`);
  try {
    insertText(handle, 0, text);
    return get_operations_json(handle);
  } finally {
    wasm.crdt_free(handle);
  }
}

/** Twelve letters that follow from a text: FNV-1a twice, with different offsets. */
function fingerprint(text) {
  let [a, b] = [0x811c9dc5, 0x01234567];
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit ^ (b >>> 15), 0x85ebca6b);
  }
  const letters = (hash) => Array.from({ length: 6 }, (_, at) => LETTERS[(hash >>> (5 * at)) & 63]);
  return [...letters(a), ...letters(b ^ (b >>> 13))].join("");
}

/** The person's part of a replica's name. */
function nameOf(agent) {
  return agent.replace(TAIL, "");
}

// Deltas.

const STEPS = ["retain", "insert", "delete"];

/** The edits that a delta consists of, from the start of the text to its end. */
function readDelta(delta, length) {
  if (!Array.isArray(delta)) throw badArgument("delta", "an array", delta);
  const edits = [];
  let at = 0;
  for (const step of delta) {
    if (typeof step !== "object" || step === null) throw badArgument("delta[]", "an object", step);
    const [name, ...more] = Object.keys(step);
    if (!STEPS.includes(name) || more.length > 0) {
      throw coded("bad_argument", `delta[] has to have one of ${STEPS.join(", ")}, and nothing else`);
    }
    const { retain = 0, delete: deleted = 0, insert: inserted = "" } = step;
    for (const [name, value] of [["retain", retain], ["delete", deleted]]) {
      if (!Number.isSafeInteger(value) || value < 0) {
        throw badArgument(`delta[].${name}`, "a whole number of UTF-16 units, zero or more", value);
      }
    }
    aString("delta[].insert", inserted);
    at += retain;
    const last = edits.at(-1);
    if (last !== undefined && last.position + last.deleted === at) {
      last.deleted += deleted;
      last.inserted += inserted;
    } else {
      edits.push({ position: at, deleted, inserted });
    }
    at += deleted;
  }
  if (at > length) {
    throw coded("out_of_bounds", `the delta reaches to ${at}, past the end of the text at ${length}`);
  }
  return edits;
}
