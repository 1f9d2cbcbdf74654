// Its package is made for Node: it reads the file as it is loaded. The bundle has it take the bytes
// from here.
export async function load(wasm) {
  globalThis.ywasmBytes = wasm;
  const { default: Y } = await import("ywasm");
  return () => {
    const doc = new Y.YDoc({});
    const text = doc.getText("text");
    return {
      insert: (pos, inserted) => text.insert(pos, inserted, undefined, undefined),
      remove: (pos, length) => text.delete(pos, length, undefined),
      text: () => text.toString(undefined),
      free: () => doc.free(),
    };
  };
}
