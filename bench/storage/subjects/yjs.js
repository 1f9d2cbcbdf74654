// yjs with y-indexeddb.
import { yCollab } from "y-codemirror.next";
import { IndexeddbPersistence } from "y-indexeddb";
import * as Y from "yjs";
import { showEditor } from "../editor.js";

export class Subject {
  #document = new Y.Doc();
  #text = this.#document.getText("text");
  #persistence;

  static async open(name) {
    const subject = new Subject();
    subject.#persistence = new IndexeddbPersistence(name, subject.#document);
    await subject.#persistence.whenSynced;
    return subject;
  }

  get text() {
    return this.#text.toString();
  }

  show(parent) {
    return showEditor(parent, this.text, yCollab(this.#text, null));
  }

  edit(patches) {
    this.#document.transact(() => {
      for (const [position, deleted, inserted] of patches) {
        if (deleted > 0) this.#text.delete(position, deleted);
        if (inserted !== "") this.#text.insert(position, inserted);
      }
    });
  }

  async settle() {}
}
