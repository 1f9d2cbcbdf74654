import * as Automerge from "@automerge/automerge/slim";

export async function load(wasm) {
  await Automerge.initializeWasm(wasm);
  return () => {
    let doc = Automerge.from({ text: "" });
    const splice = (pos, deleted, inserted) => {
      doc = Automerge.change(doc, (d) => Automerge.splice(d, ["text"], pos, deleted, inserted));
    };
    return {
      insert: (pos, text) => splice(pos, 0, text),
      remove: (pos, length) => splice(pos, length, ""),
      text: () => doc.text,
      free: () => Automerge.free(doc),
    };
  };
}
