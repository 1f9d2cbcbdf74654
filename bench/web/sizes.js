// What has to be loaded: the entries of the package beside other libraries, and the WebAssembly by part. And what
// a network of one's own carries.
//
// node sizes.js CRDT-WASM PAGE ABOUT ENTRY=NAMED... writes PAGE; each NAMED is the WebAssembly of an entry with the
// names of its functions still in it. The page ends with sizes_tried.md.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";
import { keystrokes } from "./keystrokes.js";
import { partsOf, without } from "./wasm_parts.js";

const [crdtWasm, page, about, ...named] = process.argv.slice(2);
const modules = path.join(import.meta.dirname, "node_modules");

const ours = (name, folder) => ({
  name,
  defaults: true,
  folder: crdtWasm,
  code: path.resolve(crdtWasm, `${folder}glue.js`),
  wasm: `${folder}crdt_wasm_bg.wasm`,
});
const other = (name, wasm, code = name, defaults = wasm !== null) => ({
  name,
  defaults,
  folder: path.join(modules, name),
  code,
  wasm,
});

const ENTRIES = [
  ours("crdt-wasm/document", "document/"),
  ours("crdt-wasm", ""),
  other("diamond-types-web", "dt_bg.wasm"),
  other("yjs", null),
  other("loro-crdt", "web/loro_wasm_bg.wasm", "loro-crdt/web"),
  other("@automerge/automerge", "dist/automerge.wasm", "@automerge/automerge/slim", false),
];

const brotli = (bytes) =>
  brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
const kb = (bytes) => (bytes / 1000).toFixed(1);

/** Everything that an entry exports, in one file, minified and compressed. */
async function code(entry, defaults) {
  const exported = [`export * from "${entry}";`, defaults ? `export { default } from "${entry}";` : ""];
  const { outputFiles } = await build({
    stdin: { contents: exported.join("\n"), resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    logLevel: "error",
  });
  return brotli(outputFiles[0].contents);
}

const rows = [];
for (const { name, defaults, folder, code: entry, wasm } of ENTRIES) {
  const { version } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  const bytes = wasm === null ? null : await readFile(path.join(folder, wasm));
  const sizes = [bytes === null ? 0 : brotli(bytes), await code(entry, defaults)];
  rows.push([name, version, bytes === null ? "–" : kb(sizes[0]), kb(sizes[1]), kb(sizes[0] + sizes[1])]);
}

const table = (head, rows) => [
  `| ${head.join(" | ")} |`,
  `|${head.map((_, column) => (column === 0 ? "---" : "--:")).join("|")}|`,
  ...rows.map((row) => `| ${row.join(" | ")} |`),
];

const lines = [
  "# Sizes",
  "",
  `Written by \`scripts/sizes\`, ${about}. KB are 1,000 bytes.`,
  "",
  "## What a page loads",
  "",
  "Compressed by brotli (quality 11). JavaScript is everything that the entry exports, bundled and minified by",
  "esbuild.",
  "",
  ...table(["entry", "version", "WebAssembly, KB", "JavaScript, KB", "together, KB"], rows),
];
for (const argument of named) {
  const [entry, file] = argument.split("=");
  const module = await readFile(file);
  const { total, parts } = partsOf(module);
  const whole = brotli(without(module, null));
  // What takes less is not worth the time.
  const isLarge = ({ bytes, functions, part }) => bytes > total / 100 && (functions > 0 || part.startsWith("data"));
  lines.push(
    "",
    `## The WebAssembly of \`${entry}\`, by part`,
    "",
    "After wasm-opt, not compressed. A function counts for its crate; inlined code counts for the",
    "function that contains it. By brotli: the reduction of the compressed size if the functions of the part are empty.",
    "",
    ...table(
      ["part", "functions", "KB", "share", "by brotli, KB"],
      parts.map((row) => [
        row.part,
        row.functions || "",
        kb(row.bytes),
        `${((100 * row.bytes) / total).toFixed(1)} %`,
        isLarge(row) ? kb(whole - brotli(without(module, row.part))) : "",
      ]),
    ),
  );
}
const crdt = await import(path.resolve(crdtWasm, "node.mjs"));
await crdt.default();
const ways = keystrokes(crdt);
lines.push(
  "",
  "## 10,000 keystrokes over a network of your own",
  "",
  "A second document of the same process receives and merges each keystroke, in Node. The bytes are those of the messages,",
  "without the overhead of the network; the time is CPU time, of both documents.",
  "",
  ...table(
    ["way", "KB", "CPU, ms"],
    ways.map(({ way, bytes, milliseconds }) => [way, kb(bytes), milliseconds.toFixed(0)]),
  ),
);
const tried = await readFile(path.join(import.meta.dirname, "sizes_tried.md"), "utf8");
await writeFile(page, `${lines.join("\n")}\n\n${tried}`);
