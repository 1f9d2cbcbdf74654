// crdt-wasm/storage. The build chooses the entry of the package: with or without the network.
import { collaboration } from "bindings/collaboration.ts";
import { SharedText } from "bindings/shared_text.ts";
import init, { Document } from "crdt-wasm";
import { openStored } from "crdt-wasm-storage";
import { showEditor } from "../editor.js";

export class Subject {
  #stored;

  static async open(name) {
    const subject = new Subject();
    const loading = init({ module_or_path: WASM }).then(() => Document);
    subject.#stored = await openStored(name, { Document: loading });
    return subject;
  }

  get text() {
    return this.#stored.document.getText();
  }

  show(parent) {
    const shared = new SharedText(this.#stored.document);
    return showEditor(parent, shared.text, collaboration(shared));
  }

  edit(patches) {
    const { document } = this.#stored;
    document.transact(() => {
      for (const [position, deleted, inserted] of patches) {
        document.replace(position, deleted, inserted);
      }
    });
  }

  async settle() {
    await this.#stored.flush();
  }
}
