import { Document, get_text } from "crdt-wasm";
import { expect, test } from "vitest";
import { earlyView } from "../src/early.js";
import { CollabEditor } from "../src/index.js";

test("it makes an editor, and a document that is freed with it", () => {
  const parent = document.createElement("div");
  const editor = new CollabEditor(parent);
  expect(parent.querySelector(".cm-editor")).not.toBeNull();
  editor.view.dispatch({ changes: { from: 0, insert: "typed" } });
  expect(editor.shared.text).toBe("typed");

  const { handle } = editor.document;
  editor.destroy();
  expect(parent.querySelector(".cm-editor")).toBeNull();
  expect(() => get_text(handle)).toThrow(expect.objectContaining({ code: "dead_handle" }));
});

test("it shows a document that is there already, and leaves it to its owner", () => {
  const shared = new Document("owner");
  shared.insert(0, "kept");
  const editor = new CollabEditor(document.createElement("div"), { document: shared });
  expect(editor.view.state.doc.toString()).toBe("kept");
  editor.destroy();
  expect(shared.getText()).toBe("kept");
});

test("it shows what comes into a stored document, and leaves it to its owner", () => {
  const replica = new Document("owner");
  replica.insert(0, "stored");
  const editor = new CollabEditor(document.createElement("div"), { stored: { document: replica } });
  expect(editor.view.state.doc.toString()).toBe("stored");
  const other = new Document("other");
  other.insert(0, "more ");
  replica.merge(other.encodeSince());
  expect(editor.view.state.doc.toString()).toBe(replica.getText());
  editor.destroy();
  expect(replica.getText()).toContain("more ");
});

test.each([
  ["", "", ""],
  ["early", "", "early"],
  ["", "stored", "stored"],
  ["early", "stored", "early\nstored"],
  ["early\n", "stored", "early\nstored"],
  ["early", "\nstored", "early\nstored"],
  ["early\n😀", "early", "early\n😀\nearly"],
])("%j, typed in an early view, is an edit of a document with %j", async (typed, stored, after) => {
  const parent = document.createElement("div");
  const view = earlyView(parent);
  view.dispatch(view.state.replaceSelection(typed));
  const replica = new Document("owner");
  replica.insert(0, stored);
  const editor = await CollabEditor.create(parent, { view, document: replica });
  await Promise.resolve();
  expect(editor.view).toBe(view);
  expect(view.state.doc.toString()).toBe(after);
  expect(replica.getText()).toBe(after);
  if (typed !== "") {
    editor.shared.undo();
    expect(replica.getText()).toBe(stored);
  }
  replica.insert(0, "later ");
  expect(view.state.doc.toString()).toBe(replica.getText());
  editor.destroy();
});

test("a server that is away is tried again, and the text is there meanwhile", async () => {
  const statuses: (string | null)[] = [];
  const editor = new CollabEditor(document.createElement("div"), {
    agentId: () => "alice",
    onStatus: (status) => statuses.push(status && status.state),
  });
  editor.view.dispatch({ changes: { from: 0, insert: "kept" } });
  expect(editor.getNetworkStatus()).toBeNull();
  // This environment has no WebRTC, but tabs of one browser need none; no server listens there.
  await editor.enableNetworkSync("ws://localhost:9");
  expect(editor.getNetworkStatus()).toMatchObject({
    state: "reconnecting",
    error: { code: "signaling_unreachable" },
  });
  expect(editor.shared.text).toBe("kept");
  editor.disableNetworkSync();
  expect(editor.getNetworkStatus()).toBeNull();
  expect(statuses.at(-1)).toBeNull();
  editor.destroy();
});

test("a name that nobody may have is refused", async () => {
  const editor = new CollabEditor(document.createElement("div"), { agentId: "" });
  await expect(editor.enableNetworkSync("ws://localhost:9")).rejects.toMatchObject({
    code: "bad_id",
  });
  expect(editor.getNetworkStatus()).toBeNull();
  editor.destroy();
});

test("with a read-only link people cannot edit, and what others change is shown", () => {
  const shared = new Document("owner");
  shared.insert(0, "kept");
  const parent = document.createElement("div");
  const editor = new CollabEditor(parent, { document: shared, readKey: "r".repeat(64) });
  expect(editor.shared.readOnly).toBe(true);
  expect(editor.view.state.readOnly).toBe(true);
  shared.insert(4, "!");
  expect(editor.view.state.doc.toString()).toBe("kept!");
  editor.shared.readOnly = false;
  expect(editor.view.state.readOnly).toBe(false);
  editor.destroy();
});

test("what a program changes in a read-only editor is taken back", async () => {
  const editor = new CollabEditor(document.createElement("div"));
  editor.view.dispatch({ changes: { from: 0, insert: "kept" } });
  editor.shared.readOnly = true;
  editor.view.dispatch({ changes: { from: 0, insert: "not " } });
  await Promise.resolve();
  expect(editor.shared.text).toBe("kept");
  expect(editor.view.state.doc.toString()).toBe("kept");
  editor.destroy();
});
