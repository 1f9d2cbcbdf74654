// yjs with y-webrtc, its awareness in use as in its examples.
import { yCollab } from "y-codemirror.next";
import { WebrtcProvider } from "y-webrtc";
import * as Y from "yjs";
import { showEditor } from "../editor.js";

export class Subject {
  static async load() {}

  static idle() {}

  constructor(name) {
    this.name = name;
    this.doc = new Y.Doc();
    this.shared = this.doc.getText("text");
  }

  connect(url, room) {
    this.provider = new WebrtcProvider(room, this.doc, { signaling: [url] });
  }

  /**
   * Calls back with the length of the text whenever a peer has changed it, until the function that it
   * returns is called.
   */
  onChange(listener) {
    const changed = (event) => {
      if (!event.transaction.local) listener(this.shared.length);
    };
    this.shared.observe(changed);
    return () => this.shared.unobserve(changed);
  }

  insert(position, text) {
    this.shared.insert(position, text);
  }

  /** Makes all edits of a history. */
  replay(patches) {
    this.doc.transact(() => {
      for (const [position, deleted, inserted] of patches) {
        if (deleted > 0) this.shared.delete(position, deleted);
        if (inserted !== "") this.shared.insert(position, inserted);
      }
    });
  }

  get text() {
    return this.shared.toString();
  }

  /** What carries the edits: two browsers share no BroadcastChannel. */
  get link() {
    const conns = [...(this.provider.room?.webrtcConns.values() ?? [])];
    return conns.some((conn) => conn.connected && conn.synced) ? "webrtc" : null;
  }

  edit(parent) {
    this.provider.awareness.setLocalStateField("user", { name: this.name, color: "#008080" });
    return showEditor(parent, this.text, [yCollab(this.shared, this.provider.awareness)]);
  }
}
