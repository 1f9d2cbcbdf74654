import { Document, type TextChange, UndoManager } from "crdt-wasm";
import { expect, test } from "vitest";
import { SharedText, type TextView } from "../src/shared_text.js";

/** A view that writes down what it receives. */
class Listener implements TextView {
  readonly heard: string[] = [];

  receive(changes: readonly TextChange[]): void {
    this.heard.push(
      ...changes.map(({ position, deleted, inserted }) => `${position} -${deleted} +${inserted}`),
    );
  }

  reset(): void {
    this.heard.push("reset");
  }
}

test("an edit is reported to every view but the one it came from", () => {
  const shared = new SharedText(new Document("a"));
  const [one, two] = [new Listener(), new Listener()];
  shared.addView(one);
  const leave = shared.addView(two);
  shared.edit([{ position: 0, deleted: 0, inserted: "abc" }], one);
  shared.edit([{ position: 1, deleted: 1, inserted: "" }]);
  leave();
  shared.edit([{ position: 0, deleted: 1, inserted: "x" }]);
  expect(shared.text).toBe("xc");
  expect(one.heard).toEqual(["1 -1 +", "0 -1 +x"]);
  expect(two.heard).toEqual(["0 -0 +abc", "1 -1 +"]);
});

test("a merge, a program's edit and an undo are reported once, to every view", () => {
  const replica = new Document("a");
  const shared = new SharedText(replica, { UndoManager });
  const view = new Listener();
  shared.addView(view);
  const other = new Document("other");
  other.insert(0, "one");
  replica.merge(other.encodeSince());
  replica.insert(3, "!");
  shared.edit([{ position: 0, deleted: 3, inserted: "two" }], view);
  shared.undo();
  expect(view.heard).toEqual(["0 -0 +one", "3 -0 +!", "0 -3 +one"]);
  expect(shared.text).toBe("one!");
});

test("a merge that fails throws, and no view hears of it", () => {
  const replica = new Document("a");
  const shared = new SharedText(replica);
  const view = new Listener();
  shared.addView(view);
  expect(() => replica.merge(new Uint8Array([1, 2, 3]))).toThrow(
    expect.objectContaining({ name: "CrdtError" }),
  );
  expect(view.heard).toEqual([]);
});

test("a text that is let go tells nothing any more, and undoes nothing", () => {
  const replica = new Document("a");
  const shared = new SharedText(replica, { UndoManager });
  const view = new Listener();
  shared.addView(view);
  shared.destroy();
  replica.insert(0, "unseen");
  expect(view.heard).toEqual([]);
});

test("only what was edited through the text is undone, and nothing where people may not edit", () => {
  const replica = new Document("a");
  const shared = new SharedText(replica, { UndoManager });
  let told = 0;
  const stop = shared.onUndoChange(() => (told += 1));
  expect([shared.hasUndo, shared.canUndo, shared.canRedo]).toEqual([true, false, false]);
  replica.insert(0, "a program's");
  expect(shared.canUndo).toBe(false);
  shared.edit([{ position: 0, deleted: 0, inserted: "not " }]);
  expect(shared.canUndo).toBe(true);
  shared.readOnly = true;
  expect(shared.canUndo).toBe(false);
  expect(shared.undo()).toBeNull();
  shared.readOnly = false;
  shared.undo();
  expect(shared.text).toBe("a program's");
  expect([shared.canUndo, shared.canRedo]).toEqual([false, true]);
  expect(told).toBeGreaterThan(1);
  stop();

  const without = new SharedText(replica);
  without.edit([{ position: 0, deleted: 0, inserted: "x" }]);
  expect([without.hasUndo, without.canUndo, without.undo()]).toEqual([false, false, null]);
});
