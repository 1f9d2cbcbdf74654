// A page with an editor on a document of Yjs, as the examples of y-codemirror.next and y-webrtc make it.
import { defaultKeymap } from "@codemirror/commands";
import { keymap } from "@codemirror/view";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
import { WebrtcProvider } from "y-webrtc";
import * as Y from "yjs";
import { showEditor } from "../editor.js";

const query = new URLSearchParams(location.search);
const doc = new Y.Doc();
const text = doc.getText("text");
const provider = new WebrtcProvider(query.get("room"), doc, { signaling: [query.get("signaling")] });
provider.awareness.setLocalStateField("user", { name: "Ada", color: "#008080" });
showEditor(document.body, text.toString(), [
  yCollab(text, provider.awareness),
  keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
]);
