// Names the entries of the package in its package.json, which wasm-pack writes for one:
// node entries.mjs PACKAGE.JSON
import { readFileSync, writeFileSync } from "node:fs";

const [file] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(file, "utf8"));
const entry = (folder) => ({
  types: `./${folder}crdt_wasm.d.ts`,
  default: `./${folder}crdt_wasm.js`,
});
manifest.exports = {
  ".": entry(""),
  "./document": entry("document/"),
  // The WebAssembly, for who loads it in another way.
  "./*": "./*",
};
manifest.files = [...new Set([...manifest.files, "document", "snippets"])];
if (manifest.sideEffects) manifest.sideEffects.push("./document/snippets/*");
writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
