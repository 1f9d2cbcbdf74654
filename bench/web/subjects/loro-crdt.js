import init, { LoroDoc } from "loro-crdt/web";

export async function load(wasm) {
  await init({ module_or_path: wasm });
  return () => {
    const doc = new LoroDoc();
    const text = doc.getText("text");
    return {
      insert: (pos, inserted) => text.insert(pos, inserted),
      remove: (pos, length) => text.delete(pos, length),
      text: () => text.toString(),
      free: () => doc.free(),
    };
  };
}
