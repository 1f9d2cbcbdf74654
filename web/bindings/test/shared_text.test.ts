import { Document, type TextChange } from "crdt-wasm";
import { expect, test } from "vitest";
import { type ChangeSource, SharedText, type TextView } from "../src/shared_text.js";

/** A view that writes down what it is told. */
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

/** As a `NetworkSync`: it tells of every merge into its document. */
class Source implements ChangeSource {
  readonly listeners = new Set<(changes: TextChange[]) => void>();

  on(_event: "change", callback: (changes: TextChange[]) => void): void {
    this.listeners.add(callback);
  }

  off(_event: "change", callback: (changes: TextChange[]) => void): void {
    this.listeners.delete(callback);
  }

  tell(changes: TextChange[]): void {
    for (const listener of this.listeners) listener(changes);
  }
}

function operationsOf(text: string): string {
  const other = new Document("other");
  other.insert(0, text);
  return other.getOperationsJson();
}

test("an edit is told to every view but the one it came from", () => {
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

test("a merge is told once: by what it returns, or by the source that tells of every merge", () => {
  const document = new Document("a");
  const shared = new SharedText(document);
  const view = new Listener();
  shared.addView(view);
  expect(shared.merge(operationsOf("one")).applied).toBe(3);
  expect(view.heard).toEqual(["0 -0 +one"]);

  const source = new Source();
  shared.follow(source);
  view.heard.length = 0;
  shared.merge('{"v":1,"frontier":[],"txns":[]}');
  source.tell([{ position: 3, deleted: 0, inserted: "!" }]);
  expect(view.heard).toEqual(["3 -0 +!"]);
});

test("another source takes the place of the first, and none of it stays", () => {
  const shared = new SharedText(new Document("a"));
  const [one, two] = [new Source(), new Source()];
  shared.follow(one);
  shared.follow(two);
  expect([one.listeners.size, two.listeners.size]).toEqual([0, 1]);
  shared.follow(null);
  expect(two.listeners.size).toBe(0);
});

test("a merge that fails throws, and no view hears of it", () => {
  const shared = new SharedText(new Document("a"));
  const view = new Listener();
  shared.addView(view);
  expect(() => shared.merge("{")).toThrow(expect.objectContaining({ name: "CrdtError" }));
  expect(view.heard).toEqual([]);
});
