// Makes the WebAssembly that wasm-bindgen leaves smaller and faster: node optimise.mjs FROM TO [FLAG...]
//
// The flags go to wasm-opt, after those that every entry is built with.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { withoutPanics } from "./panics.mjs";

// The memory is the module's own, filled with zeroes, and nothing lies in its first kilobyte: that is the far end of the
// stack. Hardly any function is inlined here: rustc has done that where it pays. A function with one caller stays a
// function, too. Browsers compile by the function, and a large one that a keystroke runs through holds the typist up when
// its turn comes.
const FLAGS = [
  "-O3",
  "--one-caller-inline-max-function-size=1",
  "--always-inline-max-function-size=1",
  "--low-memory-unused",
  "--zero-filled-memory",
  "--strip-target-features",
];

/** Optimises a file, which may be replaced by the result. */
export function optimise(from, to, flags = []) {
  const work = mkdtempSync(path.join(tmpdir(), "crdt-wasm-"));
  try {
    const input = path.join(work, "input.wasm");
    writeFileSync(input, withoutPanics(readFileSync(from)));
    execFileSync("wasm-opt", [...FLAGS, ...flags, input, "--output", to], { stdio: "inherit" });
  } finally {
    rmSync(work, { recursive: true });
  }
}

if (import.meta.main ?? process.argv[1] === import.meta.filename) {
  const [from, to, ...flags] = process.argv.slice(2);
  optimise(from, to, flags);
}
