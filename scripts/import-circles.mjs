// Fails when files of a crate import each other in a circle, and names the circle.
//
//   node scripts/import-circles.mjs           checks the crates listed in CHECKED
//   node scripts/import-circles.mjs --test    checks this script on small crates made up for it
//
// The rule: a file may be read and tested with what it imports, and nothing that it imports leads back
// to it. A file imports another when its production code names an item by a path into that file:
// `use crate::a::b`, `use super::b`, `pub use child::Item`, or such a path in the code itself. A path
// leads to the file of the deepest module in it, so `crate::a::Item` leads to the file of `a` even if
// `a` re-exports the item from a child; the re-export is an import of the child by `a`. A child that
// uses its parent's items imports the parent. `mod child;` alone is no import, and neither are comments,
// strings, and what is compiled under `#[cfg(test)]` only.

import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The crates that are free of circles. */
const CHECKED = ['crdt-core', 'crdt-peer', 'crdt-room', 'crdt-sync', 'crdt-wasm', 'signaling-protocol', 'signaling-rooms', 'signaling-server'];

/** The code with comments, strings and chars blanked out. */
function blank(code) {
  const skipped =
    /\/\/[^\n]*|\/\*[^]*?\*\/|b?r(#*)"[^]*?"\1|b?"(?:\\[^]|[^"\\])*"|b?'(?:\\[^]|[^'\\])[^']{0,8}?'/g;
  return code.replace(skipped, (text) => text.replace(/[^\n]/g, ' '));
}

/** Where the item that starts at `at` ends: behind its `;`, or behind its block. */
function itemEnd(code, at) {
  let depth = 0;
  for (let i = at; i < code.length; i += 1) {
    if ('([{'.includes(code[i])) depth += 1;
    if (')]}'.includes(code[i])) depth -= 1;
    if (depth < 0) return i;
    if (depth > 0) continue;
    if (code[i] === ';' || code[i] === ',') return i + 1;
    // A block ends an item, but the braces of a `use` or of an attribute do not.
    if (code[i] === '}' && !/^\s*;/.test(code.slice(i + 1))) return i + 1;
  }
  return code.length;
}

/** The code without items under `#[cfg(test)]`. */
function withoutTests(code) {
  const attribute = /#\[cfg\(test\)\]/g;
  let out = '';
  let from = 0;
  for (let found; (found = attribute.exec(code)); ) {
    if (found.index < from) continue;
    out += code.slice(from, found.index);
    from = itemEnd(code, attribute.lastIndex);
  }
  return out + code.slice(from);
}

/** The paths of a `use` tree: `a::{b, c::{d, e}}` is a::b, a::c::d, a::c::e. */
function pathsOfTree(tree) {
  const open = tree.indexOf('{');
  if (open < 0) return [tree.replace(/\s+as\s+\w+/, '').replace(/\s/g, '')];
  const prefix = tree.slice(0, open).replace(/\s/g, '');
  const inner = tree.slice(open + 1, tree.lastIndexOf('}'));
  const parts = [];
  let depth = 0;
  let part = '';
  for (const char of inner) {
    if (char === ',' && depth === 0) {
      parts.push(part);
      part = '';
      continue;
    }
    depth += Number(char === '{') - Number(char === '}');
    part += char;
  }
  parts.push(part);
  return parts.filter((p) => p.trim()).flatMap((p) => pathsOfTree(p).map((path) => prefix + path));
}

/** A file, the module that it is, and the modules inside it that have no file of their own. */
function readModules(root, read) {
  const files = new Map();
  const byModule = new Map();
  const visit = (file, module, folder) => {
    const code = withoutTests(blank(read(file)));
    files.set(file, { module, code });
    byModule.set(module.join('::'), file);
    for (const [, name, end] of code.matchAll(/\bmod\s+(\w+)\s*([;{])/g)) {
      if (end === '{') {
        byModule.set([...module, name].join('::'), file);
        continue;
      }
      const flat = join(folder, `${name}.rs`);
      const nested = join(folder, name, 'mod.rs');
      const child = read(flat) === undefined ? nested : flat;
      if (read(child) !== undefined) visit(child, [...module, name], join(folder, name));
    }
  };
  visit(root, ['crate'], dirname(root));
  return { files, byModule };
}

/** The files that each file imports. */
function imports({ files, byModule }) {
  const edges = new Map();
  for (const [file, { module, code }] of files) {
    const targets = new Set();
    const add = (path) => {
      let parts = path.split('::');
      let at = module;
      if (parts[0] === 'crate') {
        at = ['crate'];
        parts = parts.slice(1);
      }
      for (; parts[0] === 'super' || parts[0] === 'self'; parts = parts.slice(1)) {
        if (parts[0] === 'super') at = at.slice(0, -1);
      }
      let target = byModule.get(at.join('::'));
      for (const part of parts) {
        at = [...at, part];
        if (!byModule.has(at.join('::'))) break;
        target = byModule.get(at.join('::'));
      }
      if (target !== undefined && target !== file) targets.add(target);
    };
    const isChild = (name) => byModule.has([...module, name].join('::'));
    const rest = code.replace(/\buse\s+([^;]+);/g, (_, tree) => {
      for (const path of pathsOfTree(tree)) {
        const first = path.split('::')[0];
        if (['crate', 'super', 'self'].includes(first) || isChild(first)) add(path);
      }
      return '';
    });
    // `pub(in crate::a)` says who may see an item, and imports nothing.
    const paths = rest.replace(/pub\s*\([^)]*\)/g, '').matchAll(/(?<![\w:$])(\w+)((?:\s*::\s*\w+)+)/g);
    for (const [path, first] of paths) {
      if (['crate', 'super', 'self'].includes(first) || isChild(first)) add(path.replace(/\s/g, ''));
    }
    edges.set(file, targets);
  }
  return edges;
}

/** A shortest circle in the graph, as a list of files; nothing when there is none. */
function circle(edges) {
  let shortest;
  for (const start of edges.keys()) {
    const before = new Map([[start, undefined]]);
    const queue = [start];
    search: for (const file of queue) {
      for (const next of edges.get(file) ?? []) {
        if (next === start) {
          const found = [];
          for (let at = file; at !== undefined; at = before.get(at)) found.unshift(at);
          if (shortest === undefined || found.length < shortest.length) shortest = found;
          break search;
        }
        if (!before.has(next)) {
          before.set(next, file);
          queue.push(next);
        }
      }
    }
  }
  return shortest;
}

/** The circle among the files of the crate whose root is `root`, with the root's folder left out. */
function check(root, read) {
  const found = circle(imports(readModules(root, read)));
  return found?.map((file) => relative(dirname(root), file));
}

const onDisk = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);

/** Small crates, and the circle in each. */
const CASES = [
  ['no circle', { 'lib.rs': 'mod a; mod b;', 'a.rs': 'use crate::b::B;', 'b.rs': 'pub struct B;' }],
  [
    'two files',
    { 'lib.rs': 'mod a; mod b;', 'a.rs': 'use crate::b::B;', 'b.rs': 'use super::a::{self, A};' },
    ['a.rs', 'b.rs'],
  ],
  [
    'a parent that re-exports, and its child',
    { 'lib.rs': 'mod a;', 'a/mod.rs': 'mod b; pub(crate) use b::B;', 'a/b.rs': 'use super::A;' },
    ['a/mod.rs', 'a/b.rs'],
  ],
  [
    'a child alone may use its parent',
    { 'lib.rs': 'mod a;', 'a.rs': 'mod b; pub struct A;', 'a/b.rs': 'use super::A;' },
  ],
  [
    'a path in the code',
    { 'lib.rs': 'mod a; mod b;', 'a.rs': 'fn f() { crate::b::g() }', 'b.rs': 'type T = super::a::T;' },
    ['a.rs', 'b.rs'],
  ],
  [
    'three files through nested braces and a re-export at the root',
    {
      'lib.rs': 'mod a; mod b; pub use a::A;',
      'a.rs': 'use std::x::Y; use crate::{b::{c::C, d}};',
      'b.rs': 'use crate::A;',
    },
    ['lib.rs', 'a.rs', 'b.rs'],
  ],
  [
    'tests, comments, strings and visibility do not count',
    {
      'lib.rs': 'mod a; mod b;',
      'a.rs': 'use crate::b::B; #[cfg(test)] pub(crate) use tests::T; fn f() {}',
      'b.rs': [
        '// use crate::a::A;',
        'const S: &str = "crate::a::A";',
        'pub(in crate::a) struct B;',
        '#[cfg(test)]\nmod tests { use crate::a::A; fn f() {} }',
        '#[cfg(test)]\nuse crate::{a::A};',
      ].join('\n'),
    },
  ],
];

function selfTest() {
  for (const [what, files, expected] of CASES) {
    const found = check('src/lib.rs', (file) => files[relative('src', file)]);
    const [a, b] = [found, expected].map((list) => JSON.stringify([...(list ?? [])].sort()));
    if (a !== b) {
      console.error(`error: ${what}: found ${a}, expected ${b}`);
      process.exit(1);
    }
  }
}

if (process.argv.includes('--test')) {
  selfTest();
} else {
  const workspace = dirname(dirname(fileURLToPath(import.meta.url)));
  for (const crate of CHECKED) {
    const roots = ['lib.rs', 'main.rs'].map((root) => join(workspace, crate, 'src', root));
    const found = check(roots.find((root) => existsSync(root)), onDisk);
    if (found !== undefined) {
      console.error(`error: files of ${crate} import each other in a circle:`);
      console.error(`       ${[...found, found[0]].join(' -> ')}`);
      process.exitCode = 1;
    }
  }
}
