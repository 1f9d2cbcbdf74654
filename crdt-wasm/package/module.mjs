// WebAssembly modules as sections, functions and data.

export const CUSTOM = 0;
export const IMPORT = 2;
export const CODE = 10;
export const DATA = 11;

/** What every module begins with: magic and version. */
const HEAD = 8;

/** Reads bytes from their start to their end. */
export class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  byte() {
    return this.bytes[this.at++];
  }

  /** LEB128, unsigned. */
  number() {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = this.byte();
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  }

  text() {
    const length = this.number();
    return new TextDecoder().decode(this.take(length));
  }

  take(length) {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  skip(length) {
    this.at += length;
  }

  get ended() {
    return this.at >= this.bytes.length;
  }
}

/** The sections of a module. `reader` is behind the name of a custom one; `content` is all of it. */
export function* readSections(bytes) {
  const reader = new Reader(bytes);
  reader.skip(HEAD);
  while (!reader.ended) {
    const id = reader.byte();
    const size = reader.number();
    const content = reader.take(size);
    const section = new Reader(content);
    yield { id, size, content, name: id === CUSTOM ? section.text() : "", reader: section };
  }
}

/** The number of functions that come from JavaScript: they have the first numbers. */
export function countImports(section) {
  const { reader } = section;
  let functions = 0;
  for (let left = reader.number(); left > 0; left--) {
    reader.text();
    reader.text();
    const kind = reader.byte();
    if (kind !== 0) throw new Error(`an import of kind ${kind}, which is not a function`);
    reader.number();
    functions += 1;
  }
  return functions;
}

/** The names of the functions, by number. */
export function readNames(section) {
  if (section === undefined) throw new Error("the module has no names");
  const FUNCTIONS = 1;
  const { reader } = section;
  const names = new Map();
  while (!reader.ended) {
    const id = reader.byte();
    const size = reader.number();
    if (id !== FUNCTIONS) {
      reader.skip(size);
      continue;
    }
    for (let left = reader.number(); left > 0; left--) names.set(reader.number(), reader.text());
  }
  return names;
}

/** A module of other sections: pairs of a number and the content. */
export function written(head, sections) {
  const parts = [head.subarray(0, HEAD)];
  for (const [id, content] of sections) parts.push(Uint8Array.of(id), leb128(content.length), content);
  return Buffer.concat(parts);
}

/** A number as LEB128, unsigned. */
export function leb128(number) {
  const bytes = [];
  for (; number > 127; number = Math.floor(number / 128)) bytes.push((number % 128) | 128);
  return Uint8Array.of(...bytes, number);
}
