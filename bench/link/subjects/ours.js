// NetworkSync, over WebRTC alone, so that nothing but the direct connection is measured.
import { collaboration } from "@crdt/codemirror";
import init, { Document, NetworkSync, warmUp } from "crdt-wasm";
import { showEditor } from "../editor.js";

export class Subject {
  static async load(wasm) {
    await init({ module_or_path: wasm });
  }

  /** What the package advises for a page that waits. */
  static idle() {
    void warmUp();
  }

  constructor(name) {
    this.name = name;
    this.document = new Document({ name });
  }

  connect(url, room) {
    const { handle, agentId } = this.document;
    this.network = new NetworkSync(handle, agentId, { room, links: ["webrtc"] });
    void this.network.connect(url);
  }

  /**
   * Calls back with the length of the text whenever a peer has changed it, until the function that it
   * returns is called.
   */
  onChange(listener) {
    let length = this.text.length;
    const changed = ({ changes, local }) => {
      if (local) return;
      for (const { deleted, inserted } of changes) length += inserted.length - deleted;
      listener(length);
    };
    this.document.on("change", changed);
    return () => this.document.off("change", changed);
  }

  insert(position, text) {
    this.document.insert(position, text);
  }

  /** Makes all edits of a history. */
  replay(patches) {
    for (const [position, deleted, inserted] of patches) {
      this.document.replace(position, deleted, inserted);
    }
  }

  get text() {
    return this.document.getText();
  }

  /** What carries the edits. */
  get link() {
    const [link] = this.network.getStatus().links;
    return link?.state === "open" && link.synced ? link.link : null;
  }

  edit(parent) {
    const { network } = this;
    const user = { name: this.name, color: "teal" };
    return showEditor(parent, this.text, collaboration(this.document, { network, user }));
  }
}
