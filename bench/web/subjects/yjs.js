import { Doc } from "yjs";

export async function load() {
  return () => {
    const doc = new Doc();
    const text = doc.getText("text");
    return {
      insert: (pos, inserted) => text.insert(pos, inserted),
      remove: (pos, length) => text.delete(pos, length),
      text: () => text.toString(),
      free: () => doc.destroy(),
    };
  };
}
