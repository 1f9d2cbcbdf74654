import init, { Doc } from "diamond-types-web";

export async function load(wasm) {
  await init(wasm);
  return () => {
    const doc = new Doc("writer");
    return {
      insert: (pos, text) => doc.ins(pos, text),
      remove: (pos, length) => doc.del(pos, length),
      text: () => doc.get(),
      free: () => doc.free(),
    };
  };
}
