// Takes what panics would say out of a WebAssembly module.
//
// A panic is a trap here: nothing prints its message, and no hook hears of it. So the functions of the standard
// library that put a message together become the trap itself. What only they call, and the arguments that they are
// given, are left for wasm-opt to remove. The places in the source that panics name are cleared.
import { CODE, CUSTOM, DATA, IMPORT, Reader, countImports, leb128, readNames, readSections, written } from "./module.mjs";

/** Functions of the standard library that never return. */
const PANICS = new RegExp(
  `^(?:${[
    "core::panicking::.*",
    "core::(?:option|result)::(?:unwrap|expect)_failed",
    "core::cell::(?:lazy::)?panic_\\w+",
    "core::(?:slice|str)::.*_fail(?:_rt)?",
    "core::slice::sort::.*::panic_on_ord_violation",
    "alloc::raw_vec::(?:capacity_overflow|handle_error)",
    "<alloc::vec::Vec<.*>>::\\w+::assert_failed",
    "alloc::alloc::handle_alloc_error",
    "std::(?:alloc::rust_oom|thread::local::panic_access_error)",
  ].join("|")})$`,
);
/** What tells apart versions of a crate, in the name of a function. */
const HASHES = /\[[0-9a-f]{16}\]|::h[0-9a-f]{16}$/g;

/** A body without local variables: `unreachable`, and its end. */
const TRAP = Uint8Array.of(0, 0x00, 0x0b);

/**
 * @param {Uint8Array} bytes a module with the section `name`
 * @returns {Uint8Array} the module without messages of panics
 */
export function withoutPanics(bytes) {
  const sections = [...readSections(bytes)];
  const names = readNames(sections.find(({ name }) => name === "name"));
  const imported = countImports(sections.find(({ id }) => id === IMPORT));
  const replaced = { [CODE]: (content) => withTraps(content, names, imported), [DATA]: withoutPlaces };
  return written(
    bytes,
    sections.map(({ id, content }) => [id, id === CUSTOM ? content : (replaced[id]?.(content) ?? content)]),
  );
}

function withTraps(content, names, imported) {
  const reader = new Reader(content);
  const count = reader.number();
  const parts = [leb128(count)];
  let traps = 0;
  for (let index = imported; index < imported + count; index++) {
    const body = reader.take(reader.number());
    const name = (names.get(index) ?? "").replaceAll(HASHES, "");
    const isPanic = PANICS.test(name);
    if (isPanic && !endsWithTrap(body)) throw new Error(`${name} returns`);
    const kept = isPanic ? TRAP : body;
    parts.push(leb128(kept.length), kept);
    traps += isPanic;
  }
  if (traps === 0) throw new Error("the standard library has other names for its panics now");
  return Buffer.concat(parts);
}

/** Whether the last instruction of a body is `unreachable`. */
function endsWithTrap(body) {
  return body.at(-2) === TRAP.at(-2) && body.at(-1) === TRAP.at(-1);
}

/** What a place in the source looks like in memory: where the path is, its length, the line and the column. */
const PLACE = 16;
const PATH = /^[\w/.+-]+\.rs$/;

function withoutPlaces(content) {
  const cleared = Uint8Array.from(content);
  const segments = [...readSegments(cleared)];
  const ranges = [];
  for (const { start, bytes } of segments) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = -start & 3; at + PLACE <= bytes.length; at += 4) {
      const [address, length, line, column] = [0, 4, 8, 12].map((field) => view.getUint32(at + field, true));
      if (length > 256 || line === 0 || line > 1e5 || column === 0 || column > 1e3) continue;
      const path = lying(segments, address, length);
      if (path !== null && PATH.test(new TextDecoder().decode(path))) {
        ranges.push(bytes.subarray(at, at + PLACE), path);
      }
    }
  }
  for (const range of ranges) range.fill(0);
  return cleared;
}

/** The bytes at an address of the memory, if they are of one segment. */
function lying(segments, address, length) {
  const segment = segments.find(({ start, bytes }) => start <= address && address + length <= start + bytes.length);
  return segment === undefined ? null : segment.bytes.subarray(address - segment.start).subarray(0, length);
}

/** The segments of data, each with its address. */
function* readSegments(content) {
  const I32_CONST = 0x41;
  const reader = new Reader(content);
  for (let left = reader.number(); left > 0; left--) {
    const [flags, instruction] = [reader.number(), reader.byte()];
    if (flags !== 0 || instruction !== I32_CONST) throw new Error("a segment of data that is not at a fixed address");
    const start = reader.number();
    reader.skip(1);
    yield { start, bytes: reader.take(reader.number()) };
  }
}
