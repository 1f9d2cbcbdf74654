import init, { Document } from "crdt-wasm";

export async function load(wasm) {
  await init({ module_or_path: wasm });
  return () => {
    const doc = new Document("writer");
    return {
      insert: (pos, text) => doc.insert(pos, text),
      remove: (pos, length) => doc.deleteRange(pos, length),
      text: () => doc.getText(),
      free: () => doc.free(),
    };
  };
}
