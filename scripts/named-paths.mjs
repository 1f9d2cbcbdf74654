// Follows every path that the project's pages name: links to files, and files and folders in backticks.
//
// node scripts/named-paths.mjs [--test]; --test shows first that a wrong path is found.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { execFileSync } from "node:child_process";

const ROOT = path.dirname(import.meta.dirname);
const files = execFileSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" }).split("\0");
const folders = new Set(files.filter((file) => file.includes("/")).map((file) => file.split("/")[0]));
/** What is built or made, and so is in no clone. */
const MADE = /^(crdt-wasm\/pkg|target|web\/[a-z]+\/dist|bench\/[a-z]+\/dist|crdt-core\/fuzz\/(artifacts|corpus))(\/|$)/;

/** Entries of the npm package, which stand where its users import them. */
const ENTRY = /^crdt-wasm\/(document|inline|bare|storage)(\/(inline|bare|node))?$/;

/** The paths that a page names, each with its line, relative to the root. */
function* named(page, text) {
  const folder = path.dirname(page);
  const lines = text.split("\n");
  let isCode = false;
  for (const [number, line] of lines.entries()) {
    if (line.trimStart().startsWith("```")) isCode = !isCode;
    if (isCode) continue;
    for (const [, target] of line.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^([a-z]+:|#)/.test(target)) continue;
      yield { line: number + 1, file: path.join(folder, target.replace(/#.*$/, "")) };
    }
    for (const [, word] of line.matchAll(/`([\w.@-]+(?:\/[\w.@{},*-]+)+)\/?`/g)) {
      // Others are commands, addresses, or paths in a package.
      const isPath = folders.has(word.split("/")[0]) && !/[{*]/.test(word) && !ENTRY.test(word);
      if (isPath) yield { line: number + 1, file: word };
    }
  }
}

function wrong(page, text) {
  const isThere = ({ file }) => MADE.test(file) || existsSync(path.join(ROOT, file));
  return [...named(page, text)].filter((found) => !isThere(found)).map(({ line, file }) => `${page}:${line}: ${file}`);
}

if (process.argv.includes("--test")) {
  const text = "[a](README.md) [b](gone.md) `crdt-core/src/lib.rs` `crdt-core/src/gone.rs` `application/json`";
  const found = wrong("README.md", text);
  if (found.join() !== "README.md:1: gone.md,README.md:1: crdt-core/src/gone.rs") {
    console.error(`error: the check of named paths does not find what is wrong: ${found}`);
    process.exit(1);
  }
}
const pages = files.filter((file) => file.endsWith(".md"));
const problems = pages.flatMap((page) => wrong(page, readFileSync(path.join(ROOT, page), "utf8")));
if (problems.length > 0) {
  console.error(`error: these paths are not there:\n       ${problems.join("\n       ")}`);
  process.exit(1);
}
