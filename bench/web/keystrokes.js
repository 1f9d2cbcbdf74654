// What 10,000 keystrokes take over a network of one's own: each is sent, and merged by a second document.
import * as Y from "yjs";

const KEYSTROKES = 10_000;
const TEXT = "The quick brown fox jumps over the lazy dog. ";

/**
 * @param {object} crdt the package, loaded
 * @returns {{ way: string, bytes: number, milliseconds: number }[]} milliseconds of CPU time
 */
export function keystrokes(crdt) {
  return [
    measure("crdt-wasm, the event `update` and `merge`", (send) => {
      const [here, there] = [new crdt.Document(), new crdt.Document()];
      here.on("update", (update) => {
        send(update.length);
        there.merge(update);
      });
      return { type: (at, char) => here.insert(at, char), texts: () => [here.getText(), there.getText()] };
    }),
    measure("crdt-wasm, everything each time, as JSON", (send) => {
      const [here, there] = ["here", "there"].map((name) => crdt.create_document(name));
      return {
        type(at, char) {
          crdt.insert(here, at, char);
          const operations = crdt.get_operations_json(here);
          send(operations.length);
          crdt.merge_operations(there, operations, crdt.get_frontier_json(here));
        },
        texts: () => [crdt.get_text(here), crdt.get_text(there)],
      };
    }),
    measure("yjs, the event `update` and `applyUpdate`", (send) => {
      const [here, there] = [new Y.Doc(), new Y.Doc()];
      here.on("update", (update) => {
        send(update.length);
        Y.applyUpdate(there, update);
      });
      const [text, other] = [here.getText(), there.getText()];
      return { type: (at, char) => text.insert(at, char), texts: () => [text.toString(), other.toString()] };
    }),
  ];
}

function measure(way, start) {
  let bytes = 0;
  const { type, texts } = start((sent) => (bytes += sent));
  const began = process.cpuUsage();
  for (let at = 0; at < KEYSTROKES; at++) type(at, TEXT[at % TEXT.length]);
  const { user, system } = process.cpuUsage(began);
  const [here, there] = texts();
  if (here.length !== KEYSTROKES || here !== there) throw new Error(`${way}: the texts differ`);
  return { way, bytes, milliseconds: (user + system) / 1000 };
}
