import { EditorView } from "@codemirror/view";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { heldChanges } from "../src/codemirror.js";
import { Replica, replicasWith } from "./replicas.js";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** Has the editor's input method compose, or not. */
function compose(replica: Replica, isComposing: boolean): void {
  Object.defineProperty(replica.view, "composing", { value: isComposing, configurable: true });
}

function write(replica: Replica, from: number, to: number, insert = ""): void {
  replica.view.dispatch({ changes: { from, to, insert } });
}

test("what others write waits for the end of a composition, and lands where it belongs", () => {
  const [a, b] = replicasWith("say  here");
  compose(a!, true);
  write(a!, 4, 4, "に");
  write(b!, 0, 3, "tell");
  write(b!, 5, 5, "me");
  write(b!, 12, 12, "!");
  a!.pull(b!);
  expect(a!.text).toBe("say に here");
  expect(a!.document.getText()).toBe("tell にme here!");
  write(a!, 4, 5, "日本");
  expect(a!.text).toBe("say 日本 here");
  expect(a!.document.getText()).toBe("tell 日本me here!");
  compose(a!, false);
  vi.advanceTimersByTime(100);
  expect(a!.text).toBe("tell 日本me here!");
  expect(heldChanges(a!.view)).toBeNull();
  b!.pull(a!);
  expect(b!.text).toBe(a!.text);
});

test("a composition that begins soon after another one is waited for, too", () => {
  const [a, b] = replicasWith("");
  compose(a!, true);
  write(a!, 0, 0, "one");
  write(b!, 0, 0, "theirs ");
  a!.pull(b!);
  compose(a!, false);
  vi.advanceTimersByTime(60);
  compose(a!, true);
  write(a!, 3, 3, " two");
  vi.advanceTimersByTime(1000);
  expect(a!.text).toBe("one two");
  compose(a!, false);
  vi.advanceTimersByTime(100);
  // The words stay together.
  expect(a!.text).toBe("one twotheirs ");
  expect(a!.text).toBe(a!.document.getText());
});

test("a composition without input does not hold others' text back for ever", () => {
  const [a, b] = replicasWith("");
  const ended = vi.spyOn(a!.view.contentDOM, "blur");
  compose(a!, true);
  write(a!, 0, 0, "mine");
  write(b!, 0, 0, "theirs");
  a!.pull(b!);
  vi.advanceTimersByTime(4000);
  expect(ended).not.toHaveBeenCalled();
  expect(a!.text).toBe("mine");
  vi.advanceTimersByTime(2000);
  expect(ended).toHaveBeenCalledOnce();
  expect(a!.text).toBe(a!.document.getText());
});

test("a document that was edited past the views waits, too", async () => {
  const [a] = replicasWith("text", 1);
  compose(a!, true);
  write(a!, 4, 4, "に");
  a!.document.insert(0, "new ");
  await vi.advanceTimersByTimeAsync(60);
  expect(a!.text).toBe("textに");
  write(a!, 4, 5, "日");
  expect(a!.document.getText()).toBe("new text日");
  compose(a!, false);
  vi.advanceTimersByTime(100);
  expect(a!.text).toBe("new text日");
});

test("a view that is destroyed while it holds something back shows nothing more", () => {
  const [a, b] = replicasWith("");
  compose(a!, true);
  write(b!, 0, 0, "theirs");
  a!.pull(b!);
  const shown = vi.spyOn(EditorView.prototype, "dispatch");
  a!.view.destroy();
  vi.advanceTimersByTime(30_000);
  expect(shown).not.toHaveBeenCalled();
  shown.mockRestore();
});

test("random edits on both sides of compositions end equal", () => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  let state = seed;
  const random = (limit: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % limit;
  };
  const [a, b] = replicasWith("0123456789");
  for (let step = 0; step < 300; step += 1) {
    const one = random(2) === 0 ? a! : b!;
    const { length } = one.view.state.doc;
    const from = random(length + 1);
    const to = Math.min(length, from + random(3));
    write(one, from, to, "abcdefghij".slice(0, random(4)));
    if (random(2) === 0) a!.pull(b!);
    if (random(2) === 0) b!.pull(a!);
    if (random(5) === 0) {
      compose(a!, random(2) === 0);
      vi.advanceTimersByTime(random(200));
    }
  }
  compose(a!, false);
  vi.advanceTimersByTime(200);
  a!.pull(b!);
  b!.pull(a!);
  for (const replica of [a!, b!]) expect(replica.text, `SEED=${seed}`).toBe(replica.document.getText());
  expect(a!.text, `SEED=${seed}`).toBe(b!.text);
});
