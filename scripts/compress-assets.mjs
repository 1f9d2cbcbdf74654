// compress-assets.mjs FOLDER: writes every file of a built web app a second and a third time, compressed by
// brotli (.br) and gzip (.gz), for the server to send as they are. A form that saves less than a tenth is
// left out, as with fonts, which are compressed already.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const FORMS = {
  ".br": (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
  ".gz": (bytes) => gzipSync(bytes, { level: 9 }),
};

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error("usage: compress-assets.mjs FOLDER");
  process.exit(2);
}
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || entry.name.startsWith(".")) continue;
  const file = path.join(entry.parentPath, entry.name);
  const bytes = readFileSync(file);
  for (const [suffix, compress] of Object.entries(FORMS)) {
    const compressed = compress(bytes);
    if (compressed.length < bytes.length * 0.9) writeFileSync(file + suffix, compressed);
  }
}
