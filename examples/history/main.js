// Shows who wrote what and when in a file that `save` wrote: node history/main.js FILE
import { readFileSync, writeFileSync } from "node:fs";
import init, { Document } from "crdt-wasm/document";

await init();
const [file] = process.argv.slice(2);
if (file === undefined) {
  writeFileSync("example.crdt", example());
  console.log("wrote example.crdt: node history/main.js example.crdt shows what is in it");
} else {
  try {
    show(Document.openVerified(readFileSync(file)));
  } catch (error) {
    console.error(`${file}: ${error.message}`);
    process.exitCode = 1;
  }
}

function show(doc) {
  for (const { name, time, kind, length, text, version } of doc.history()) {
    const when = time === null ? "at some time" : new Date(time).toISOString().slice(0, 16);
    const what = kind === "insert" ? JSON.stringify(text) : `${length} characters`;
    console.log(`${when}  ${name} ${kind}s ${what}, which makes ${doc.textAt(version).length} units`);
  }
  console.log("\nThe text, by author:");
  for (const { from, to, name } of doc.blame()) {
    console.log(`  ${name.padEnd(8)} ${JSON.stringify(doc.slice(from, to))}`);
  }
}

function example() {
  const [ada, bob] = ["Ada", "Bob"].map((name) => new Document({ name }));
  ada.insert(0, "A text of two.");
  bob.merge(ada.encodeSince());
  bob.replace(2, 4, "story");
  ada.insert(13, " people");
  ada.merge(bob.encodeSince(ada.version()));
  return ada.save();
}
