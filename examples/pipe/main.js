// Two processes write one text, each a replica of its own, and send each other what they write.
import { fork } from "node:child_process";
import init, { Document, Version } from "crdt-wasm";

const isChild = process.send !== undefined;
const peer = isChild ? process : fork(new URL(import.meta.url), { serialization: "advanced" });
const name = isChild ? "child" : "parent";

await init();
const doc = new Document({ name });
doc.on("update", (update, { local }) => {
  if (local) peer.send({ update });
});
const otherIsDone = new Promise((resolve) => {
  peer.on("message", ({ version, update, isDone }) => {
    if (version) peer.send({ update: doc.encodeSince(Version.fromBytes(version)) });
    if (update) doc.merge(update);
    if (isDone) resolve();
  });
});
peer.send({ version: doc.version().toBytes() });

for (let line = 1; line <= 3; line += 1) {
  doc.insert(doc.length, `${name} writes line ${line}\n`);
  await new Promise((resolve) => setTimeout(resolve, 20));
}
peer.send({ isDone: true });
await otherIsDone;
console.log(`The text in the ${name}:\n${doc}`);
if (isChild) peer.disconnect();
