// NetworkSync, over WebRTC alone, so that nothing but the direct connection is measured.
import { collaboration, Presence, remoteCursors, SharedText } from "@crdt/codemirror";
import init, * as crdt from "crdt-wasm";
import { showEditor } from "../editor.js";

export class Subject {
  static async load(wasm) {
    await init({ module_or_path: wasm });
  }

  constructor(name) {
    this.name = name;
    this.handle = crdt.create_document(name);
    this.document = { handle: this.handle, getText: () => crdt.get_text(this.handle) };
    this.document.insert = (position, text) => crdt.insert(this.handle, position, text);
    this.document.deleteRange = (position, length) =>
      crdt.delete_range(this.handle, position, length);
  }

  connect(url, room) {
    this.sync = new crdt.NetworkSync(this.handle, this.name, { room, links: ["webrtc"] });
    void this.sync.connect(url);
  }

  /**
   * Calls back with the length of the text whenever a peer has changed it, until the function that it
   * returns is called.
   */
  onChange(listener) {
    let length = this.text.length;
    const changed = (changes) => {
      for (const { deleted, inserted } of changes) length += inserted.length - deleted;
      listener(length);
    };
    this.sync.on("change", changed);
    return () => this.sync.off("change", changed);
  }

  insert(position, text) {
    crdt.insert(this.handle, position, text);
  }

  /** Makes all edits of a history. */
  replay(patches) {
    for (const [position, deleted, inserted] of patches) {
      if (deleted > 0) crdt.delete_range(this.handle, position, deleted);
      if (inserted !== "") crdt.insert(this.handle, position, inserted);
    }
  }

  get text() {
    return crdt.get_text(this.handle);
  }

  /** What carries the edits. */
  get link() {
    const [link] = this.sync.getStatus().links;
    return link?.state === "open" && link.synced ? link.link : null;
  }

  edit(parent) {
    const shared = new SharedText(this.document);
    const presence = new Presence();
    presence.setUser({ name: this.name, color: "teal" });
    presence.follow(this.sync);
    return showEditor(parent, this.text, [collaboration(shared), remoteCursors(shared, presence)]);
  }
}
