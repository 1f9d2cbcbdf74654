// Each binding in one call, for documents of each entry of the package.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { EditorView } from "@codemirror/view";
import * as whole from "crdt-wasm";
import * as alone from "crdt-wasm/document";
import { describe, expect, test } from "vitest";
import { undo } from "../src/codemirror.js";
import { collaboration } from "../src/collaboration.js";
import { remoteSelections } from "../src/cursors.js";
import { bindTextarea } from "../src/textarea.js";
import { Room } from "./room.js";

const file = createRequire(import.meta.url).resolve("crdt-wasm/document");
alone.initSync({ module: readFileSync(new URL("crdt_wasm_bg.wasm", `file://${file}`)) });

const settled = () => new Promise<void>((resolve) => setTimeout(resolve));

describe.each([
  ["crdt-wasm", whole],
  ["crdt-wasm/document", alone],
])("%s", (_entry, { Document, UndoManager }) => {
  test("any number of views on one document, with one undo", () => {
    const replica = new Document("a");
    const views = [1, 2].map(
      () => new EditorView({ extensions: collaboration(replica, { UndoManager }) }),
    );
    const area = document.createElement("textarea");
    const letGo = bindTextarea(area, replica);
    const [one, two] = views as [EditorView, EditorView];
    one.dispatch({ changes: { from: 0, insert: "typed" } });
    expect([two.state.doc.toString(), area.value]).toEqual(["typed", "typed"]);
    const other = new Document("b");
    other.merge(replica.encodeSince());
    other.insert(0, "they ");
    replica.merge(other.encodeSince());
    for (const view of views) expect(view.state.doc.toString()).toBe("they typed");
    expect(area.value).toBe("they typed");
    undo(two);
    expect(one.state.doc.toString()).toBe("they ");
    letGo();
    undo(one);
    expect(replica.getText()).toBe("they ");
  });

  test("with a network, selections are shown both ways, and who may not write cannot", async () => {
    const room = new Room();
    const [here, there] = [room.enter(), room.enter()];
    const [mine, theirs] = [new Document("a"), new Document("b")];
    mine.insert(0, "one two");
    theirs.merge(mine.encodeSince());
    const view = new EditorView({
      extensions: collaboration(mine, { network: here, user: { name: "Ada", color: "teal" } }),
    });
    const area = document.createElement("textarea");
    document.body.append(area);
    bindTextarea(area, theirs, { network: there, user: { name: "Ben", color: "olive" } });
    area.focus();
    area.setSelectionRange(4, 7);
    document.dispatchEvent(new Event("selectionchange"));
    await settled();
    const [seen] = remoteSelections(view.state);
    expect(seen).toMatchObject({ name: "Ben", color: "olive", anchor: 4, head: 7 });

    here.tellStatus("connected", true);
    expect(view.state.readOnly).toBe(true);
    area.remove();
    view.destroy();
  });
});
