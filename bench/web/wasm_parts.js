// How many bytes of a WebAssembly module each part takes, by the names of its functions.
import {
  CODE,
  CUSTOM,
  DATA,
  IMPORT,
  countImports,
  leb128,
  readNames,
  readSections,
  written,
} from "../../crdt-wasm/package/module.mjs";

const DATA_PART = "data: texts, tables, initial values";

/** What belongs together, by how the name of a function begins; the first that fits. */
const STANDARD = [
  [/^core::ptr::drop_in_place/, "std: drop glue"],
  [/collections::btree/, "std: B-trees"],
  [/core::slice::sort|slice::.*sort/, "std: sorting"],
  [/core::(num::(flt2dec|dec2flt|diy_float|imp::(flt2dec|dec2flt))|fmt::float)|f64/, "std: reading and writing floats"],
  [/core::fmt|alloc::fmt|fmt::(Debug|Display|Write)/, "std: formatting"],
  [/hashbrown|std::hash|std::collections::hash/, "std: hash maps"],
  [/dlmalloc|__rust_(alloc|dealloc|realloc)|__rdl_|^(malloc|free|realloc|memcpy|memmove|memset|memcmp)$/, "std: memory"],
  [/^<?&?(mut )?(core|alloc|std|rustc_demangle|compiler_builtins)(::|$)/, "std: other"],
];

/**
 * @param {Uint8Array} bytes a module with the section `name`
 * @returns {{ total: number, parts: { part: string, functions: number, bytes: number }[] }} the largest first; the
 *   section `name` does not count
 */
export function partsOf(bytes) {
  const sections = [...readSections(bytes)];
  const names = readNames(sections.find(({ name }) => name === "name"));
  const imported = countImports(sections.find(({ id }) => id === IMPORT));
  const parts = new Map();
  const add = (part, size, functions = 0) => {
    const sum = parts.get(part) ?? { part, functions: 0, bytes: 0 };
    sum.functions += functions;
    sum.bytes += size;
    parts.set(part, sum);
  };
  for (const { id, name, reader, size } of sections) {
    if (id === CUSTOM) {
      if (name !== "name") add("other sections", size);
    } else if (id === DATA) {
      add(DATA_PART, size);
    } else if (id === CODE) {
      const count = reader.number();
      for (let index = imported; index < imported + count; index++) {
        const length = reader.number();
        add(partOf(names.get(index) ?? ""), length, 1);
        reader.skip(length);
      }
    } else {
      add("other sections", size);
    }
  }
  const sorted = [...parts.values()].sort((one, other) => other.bytes - one.bytes);
  return { total: sorted.reduce((sum, { bytes }) => sum + bytes, 0), parts: sorted };
}

/** A body without local variables: `unreachable`, and its end. */
const TRAP = Uint8Array.of(3, 0, 0x00, 0x0b);

/**
 * @param {Uint8Array} bytes a module with the section `name`
 * @param {string | null} part one of the parts of `partsOf`; null for none
 * @returns {Uint8Array} the module without the names, in which the functions of the part, or its data, are empty: it is
 *   for measuring alone
 */
export function without(bytes, part) {
  const sections = [...readSections(bytes)];
  const names = readNames(sections.find(({ name }) => name === "name"));
  const imported = countImports(sections.find(({ id }) => id === IMPORT));
  const kept = [];
  for (const { id, name, content, reader } of sections) {
    if (id === CUSTOM) {
      if (name !== "name") kept.push([id, content]);
    } else if (id === DATA && part === DATA_PART) {
      kept.push([id, Uint8Array.of(0)]);
    } else if (id === CODE) {
      const count = reader.number();
      const bodies = [leb128(count)];
      for (let index = imported; index < imported + count; index++) {
        const start = reader.at;
        reader.skip(reader.number());
        const isOut = partOf(names.get(index) ?? "") === part;
        bodies.push(isOut ? TRAP : content.subarray(start, reader.at));
      }
      kept.push([id, Buffer.concat(bodies)]);
    } else {
      kept.push([id, content]);
    }
  }
  return written(bytes, kept);
}

function partOf(name) {
  const standard = STANDARD.find(([pattern]) => pattern.test(name));
  // An implementation for a type of a crate belongs to the crate, whatever the trait.
  const [, crate] = /^<?&?(?:mut )?(\w+)::/.exec(name) ?? [];
  const own = crate !== undefined && !["core", "alloc", "std", "hashbrown", "dlmalloc"].includes(crate);
  if (own) return crate;
  if (standard !== undefined) return standard[1];
  return name.startsWith("crdt_") || name.startsWith("networksync_") ? "crdt_wasm" : "glue and names of no crate";
}
