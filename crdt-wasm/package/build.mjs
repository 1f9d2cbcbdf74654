// Makes the npm package of what wasm-pack built for the target `web`: node build.mjs PACKAGE
//
// Each entry becomes these files:
//
//   glue.js         what wasm-bindgen wrote; its `init` has to be given the WebAssembly
//   crdt_wasm.js    the same, and fetches it (fetching.js)
//   anywhere.js     the same, and has it as a module where it cannot be fetched
//   inline.js       has it inside, as bytes.js
//   crdt_wasm.cjs   all of that in one file, for `require`
//   node.mjs        the same for `import` in Node, so that a process has it once
//
// and the declarations of all of them, crdt_wasm.d.ts and crdt_wasm.d.cts. The folder `storage` has the entries
// crdt-wasm/storage and crdt-wasm/storage/node, which are the same for every way to load the WebAssembly.
import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { optimise } from "./optimise.mjs";

const HERE = import.meta.dirname;
const ROOT = path.resolve(HERE, "../..");
const [target] = process.argv.slice(2);
const inWeb = createRequire(path.join(ROOT, "web/package.json"));
const { rolldown } = await import(inWeb.resolve("rolldown"));

const read = (...names) => readFileSync(path.join(...names), "utf8");
const write = (text, ...names) => writeFileSync(path.join(...names), text);

/** Replaces something that has to be there. */
function replace(text, what, by) {
  const replaced = text.replace(what, by);
  if (replaced === text) throw new Error(`wasm-bindgen writes other code now: there is no ${what}`);
  return replaced;
}

async function makeEntry(folder) {
  const webAssembly = path.join(folder, "crdt_wasm_bg.wasm");
  optimise(webAssembly, webAssembly);
  makeGlue(folder);
  for (const [template, file] of [
    ["fetching.js", "crdt_wasm.js"],
    ["anywhere.js", "anywhere.js"],
    ["inline.js", "inline.js"],
    ["once.js", "once.js"],
  ]) {
    copyFileSync(path.join(HERE, template), path.join(folder, file));
  }
  const base64 = readFileSync(webAssembly).toString("base64");
  write(bytesModule(base64), folder, "bytes.js");
  await makeCommonJs(folder);
  makeDeclarations(folder);
}

function makeGlue(folder) {
  let glue = read(folder, "crdt_wasm.js");
  const [memory] = /\.\/snippets\/[^'"]*\/memory\.js/.exec(glue);
  glue = replace(glue, "/* @ts-self-types=\"./crdt_wasm.d.ts\" */\n", "");
  glue = replace(
    glue,
    "let wasmModule, wasmInstance, wasm;",
    "let wasmModule, wasmInstance, wasm = notLoaded;",
  );
  glue = replace(glue, "wasm = instance.exports;", "wasm = attachExports(instance.exports);");
  glue = replace(glue, /if \(wasm !== undefined\) return wasm;/g, "if (wasm !== notLoaded) return wasm;");
  glue = replace(
    glue,
    "module_or_path = new URL('crdt_wasm_bg.wasm', import.meta.url);",
    'throw coded("bad_argument", "init() of this entry has to be given { module_or_path }");',
  );
  glue = replace(
    glue,
    "    const imports = __wbg_get_imports();\n    if (!(module instanceof",
    `    if (module === undefined) throw coded("bad_argument", "initSync() has to be given { module }");
    const imports = __wbg_get_imports();
    if (!(module instanceof`,
  );
  glue = replace(
    glue,
    "__wbg_init_once(module_or_path);",
    "__wbg_init_once(module_or_path).catch((error) => { throw loadError(error); });",
  );
  glue = replace(
    glue,
    /( *)const imports = __wbg_get_imports\(\);\n( *if \(!\(module instanceof[^]*?)return __wbg_finalize_init\(instance, module\);/,
    "$1const imports = __wbg_get_imports();\n$1try {\n$2    return __wbg_finalize_init(instance, module);\n$1} catch (error) {\n$1    throw loadError(error);\n$1}",
  );
  glue = replace(glue, /if \((module|module_or_path) !== undefined\) \{/g, "if ($1 != null) {");
  glue = replace(glue, /if \((module|module_or_path) === undefined\)/g, "if ($1 == null)");
  const shared = `import { attachExports, coded, loadError, notLoaded } from "${memory}";\n`;
  write(shared + glue + warmUp(glue), folder, "glue.js");
}

/** The code of `warmUp`, where glue.js has a network. */
function warmUp(glue) {
  if (!glue.includes("class NetworkSync")) return "";
  return replace(read(HERE, "warm_up.js"), /import .*glue\.js";\n/, "");
}

const bytesModule = (base64) => `const BASE64 = "${base64}";

/** The WebAssembly. */
export function bytes() {
  if (typeof Uint8Array.fromBase64 === "function") return Uint8Array.fromBase64(BASE64);
  const units = atob(BASE64);
  const bytes = new Uint8Array(units.length);
  for (let at = 0; at < units.length; at++) bytes[at] = units.charCodeAt(at);
  return bytes;
}
`;

async function makeCommonJs(folder) {
  const bundle = await rolldown({ input: path.join(folder, "inline.js"), platform: "neutral" });
  await bundle.write({
    file: path.join(folder, "crdt_wasm.cjs"),
    format: "cjs",
    codeSplitting: false,
    exports: "named",
    comments: false,
    footer: ALL_IN_DEFAULT,
  });
  await bundle.close();
  const names = Object.keys(createRequire(import.meta.url)(path.join(folder, "crdt_wasm.cjs")));
  const exported = names.filter((name) => name !== "default").sort();
  write(
    `import all from "./crdt_wasm.cjs";

export default all.default;
export const {
${exported.map((name) => `  ${name},\n`).join("")}} = all;
`,
    folder,
    "node.mjs",
  );
}

/** Tools do not agree on what the default export of such a file is: everything is found in either. */
const ALL_IN_DEFAULT = `module.exports = Object.assign(exports.default, exports);
Object.defineProperty(module.exports, "__esModule", { value: true });`;

function makeDeclarations(folder) {
  const written = read(folder, "crdt_wasm.d.ts");
  const end = written.search(/export type InitInput = /);
  if (end < 0) throw new Error("wasm-bindgen writes other declarations now");
  const declarations = written.slice(0, end).trimEnd() + "\n" + DISPOSE + read(HERE, "init.d.ts");
  write(declarations, folder, "crdt_wasm.d.ts");
  write(declarations, folder, "crdt_wasm.d.cts");
  rmSync(path.join(folder, "crdt_wasm_bg.wasm.d.ts"), { force: true });
}

/** Older libraries of TypeScript have no such symbol. */
const DISPOSE = `
declare global {
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
}
`;

/** Puts the library that ed25519.js loads beside it. */
async function addEd25519() {
  const snippets = path.join(target, "snippets");
  const found = readdirSync(snippets, { recursive: true }).find((name) => name.endsWith("/ed25519.js"));
  if (found === undefined) throw new Error("the package has no ed25519.js");
  const folder = path.dirname(path.join(snippets, found));
  const library = inWeb.resolve("@noble/ed25519");
  const bundle = await rolldown({ input: library, platform: "neutral" });
  await bundle.write({
    file: path.join(folder, "ed25519_library.js"),
    format: "es",
    banner: ED25519_LICENSE,
    comments: false,
    minify: true,
  });
  await bundle.close();
  copyFileSync(path.join(path.dirname(library), "LICENSE"), path.join(folder, "LICENSE-ed25519"));
}

const ED25519_LICENSE = "/* @noble/ed25519: Copyright (c) 2019 Paul Miller; see LICENSE-ed25519 */";

/** Makes crdt-wasm/storage, with what it takes from elsewhere inside. */
async function makeStorage() {
  const folder = path.join(target, "storage");
  const from = (name) => path.join(ROOT, "crdt-wasm/storage", name);
  for (const [name, file] of [["index", "index.js"], ["node", "files.js"]]) {
    const bundle = await rolldown({
      input: from(file),
      external: ["crdt-wasm", /^node:/],
      resolve: { alias: { idb: inWeb.resolve("idb").replace(/\.cjs$/, ".js") } },
      platform: "neutral",
    });
    const banner = name === "index" ? IDB_LICENSE : undefined;
    const options = { banner, comments: false };
    await bundle.write({ ...options, file: path.join(folder, `${name}.js`), format: "es" });
    await bundle.write({ ...options, file: path.join(folder, `${name}.cjs`), format: "cjs", exports: "named" });
    await bundle.close();
  }
  copyFileSync(path.join(path.dirname(inWeb.resolve("idb")), "../LICENSE"), path.join(folder, "LICENSE-idb"));
  for (const name of ["index", "node"]) {
    const declarations = read(from(`${name}.d.ts`));
    write(declarations, folder, `${name}.d.ts`);
    write(declarations, folder, `${name}.d.cts`);
  }
}

const IDB_LICENSE = "/* With idb inside: Copyright (c) 2016, Jake Archibald; see LICENSE-idb */";

/** What package.json says of an entry of the storage. */
function exportedStorage(name) {
  const of = (types, code) => ({ types: `./storage/${name}.${types}`, default: `./storage/${name}.${code}` });
  return { import: of("d.ts", "js"), require: of("d.cts", "cjs") };
}

/** What package.json says of an entry. */
function exported(folder) {
  const esm = (file) => ({ types: `./${folder}crdt_wasm.d.ts`, default: `./${folder}${file}` });
  const cjs = { types: `./${folder}crdt_wasm.d.cts`, default: `./${folder}crdt_wasm.cjs` };
  const either = (file) => ({ import: esm(file), require: cjs });
  return {
    // One copy a process, whichever way it is loaded.
    all: {
      node: either("node.mjs"),
      browser: {
        // It takes the file along, always.
        webpack: either("crdt_wasm.js"),
        ...either("anywhere.js"),
      },
      ...either("anywhere.js"),
      default: esm("anywhere.js"),
    },
    inline: { ...either("inline.js"), default: esm("inline.js") },
    // By `require`, every entry is the one file that has all.
    bare: { ...either("glue.js"), default: esm("glue.js") },
  };
}

/** Where the older way of TypeScript to find declarations, which knows no `exports`, finds those of each entry. */
const OLDER_TYPES = {
  inline: ["./crdt_wasm.d.cts"],
  bare: ["./crdt_wasm.d.cts"],
  document: ["./document/crdt_wasm.d.cts"],
  "document/inline": ["./document/crdt_wasm.d.cts"],
  "document/bare": ["./document/crdt_wasm.d.cts"],
  storage: ["./storage/index.d.cts"],
  "storage/node": ["./storage/node.d.cts"],
};

function makeManifest() {
  const built = JSON.parse(read(target, "package.json"));
  const [main, document] = ["", "document/"].map(exported);
  const files = ["LICENSE", "README.md", "CHANGELOG.md", "snippets", "document", "storage"];
  const manifest = {
    name: built.name,
    version: built.version,
    description: built.description,
    keywords: ["crdt", "collaborative", "text", "editor", "offline", "p2p", "webrtc", "wasm", "undo"],
    license: built.license,
    ...(built.repository === undefined ? {} : { repository: built.repository }),
    type: "module",
    engines: { node: ">=20" },
    main: "./crdt_wasm.cjs",
    module: "./anywhere.js",
    types: "./crdt_wasm.d.cts",
    typesVersions: { "*": OLDER_TYPES },
    exports: {
      ".": main.all,
      "./inline": main.inline,
      "./bare": main.bare,
      "./document": document.all,
      "./document/inline": document.inline,
      "./document/bare": document.bare,
      "./storage": exportedStorage("index"),
      "./storage/node": exportedStorage("node"),
      // The WebAssembly, for those who load it in another way.
      "./*": "./*",
    },
    files: [...files, "*.js", "*.cjs", "*.mjs", "*.d.ts", "*.d.cts", "*.wasm"],
    sideEffects: ["./snippets/*", "./document/snippets/*"],
  };
  write(`${JSON.stringify(manifest, null, 2)}\n`, target, "package.json");
}

await addEd25519();
for (const folder of [target, path.join(target, "document")]) await makeEntry(folder);
for (const file of ["package.json", "README.md", "LICENSE", ".gitignore"]) {
  rmSync(path.join(target, "document", file), { force: true });
}
rmSync(path.join(target, ".gitignore"), { force: true });
await makeStorage();
makeManifest();
for (const file of ["LICENSE", "CHANGELOG.md"]) {
  copyFileSync(path.join(ROOT, file), path.join(target, file));
}
