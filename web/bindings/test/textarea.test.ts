import { expect, test } from "vitest";
import { bindTextarea } from "../src/textarea.js";
import { Replica, replicasWith } from "./replicas.js";

/** A text area bound to the replica, beside its editor. */
function areaOf(replica: Replica): HTMLTextAreaElement {
  const area = document.createElement("textarea");
  document.body.append(area);
  bindTextarea(area, replica.shared);
  return area;
}

/** What a browser does when someone types over the selection. */
function typeInto(area: HTMLTextAreaElement, text: string): void {
  const { value, selectionStart, selectionEnd } = area;
  area.value = value.slice(0, selectionStart) + text + value.slice(selectionEnd);
  area.setSelectionRange(selectionStart + text.length, selectionStart + text.length);
  area.dispatchEvent(new Event("input"));
}

function compose(area: HTMLTextAreaElement, phase: "start" | "end"): void {
  area.dispatchEvent(new Event(`composition${phase}`));
}

/** Half a pair is held for one task. */
const nextTask = () => new Promise<void>((resolve) => setTimeout(resolve));

const selection = (area: HTMLTextAreaElement) => [area.selectionStart, area.selectionEnd];

test("it shows the text, and hands in what is typed where the caret is", () => {
  const [a] = replicasWith("aaaa", 1);
  const area = areaOf(a!);
  expect(area.value).toBe("aaaa");
  a!.document.calls.length = 0;
  area.setSelectionRange(1, 1);
  typeInto(area, "a");
  area.setSelectionRange(2, 4);
  typeInto(area, "b");
  expect(a!.document.calls).toEqual(["+1:a", "-2:2", "+2:b"]);
  expect(area.value).toBe("aaba");
  expect(a!.document.getText()).toBe("aaba");
});

test("the editor on the same text shows it too, and the other way round", () => {
  const [a] = replicasWith("ab", 1);
  const area = areaOf(a!);
  area.setSelectionRange(1, 1);
  typeInto(area, "X😀");
  expect(a!.text).toBe("aX😀b");
  a!.place(0);
  a!.type("1");
  expect(area.value).toBe("1aX😀b");
  expect(selection(area)).toEqual([5, 5]);
});

const KEPT: [name: string, from: number, to: number, expected: [number, number]][] = [
  ["a caret before", 0, 0, [0, 0]],
  ["a caret where it comes in", 2, 2, [2, 2]],
  ["a caret after", 3, 3, [5, 5]],
  ["a selection around", 1, 3, [1, 5]],
];

test.each(KEPT)("others' text leaves the selection alone: %s", (_name, from, to, expected) => {
  const [a, b] = replicasWith("abcd");
  const area = areaOf(a!);
  area.setSelectionRange(from, to);
  b!.view.dispatch({ changes: { from: 2, insert: "XX" } });
  a!.pull(b!);
  expect(area.value).toBe("abXXcd");
  expect(selection(area)).toEqual(expected);
});

test("nothing is written into a composition, and nothing is lost", () => {
  const [a, b] = replicasWith("start end");
  const area = areaOf(a!);
  area.setSelectionRange(6, 6);
  compose(area, "start");
  typeInto(area, "に");
  b!.view.dispatch({ changes: { from: 0, insert: ">> " } });
  b!.view.dispatch({ changes: { from: 12, insert: " <<" } });
  a!.pull(b!);
  expect(area.value).toBe("start にend");
  expect(a!.document.getText()).toBe(">> start にend <<");

  // The input method replaces what it has shown so far.
  area.setSelectionRange(6, 7);
  typeInto(area, "日本");
  expect(a!.document.getText()).toBe(">> start 日本end <<");
  compose(area, "end");
  expect(area.value).toBe(">> start 日本end <<");
  expect(selection(area)).toEqual([11, 11]);
  b!.pull(a!);
  expect(b!.text).toBe(">> start 日本end <<");
});

test("a deletion during a composition takes only what was shown", () => {
  const [a, b] = replicasWith("abcdef");
  const area = areaOf(a!);
  compose(area, "start");
  b!.view.dispatch({ changes: { from: 3, insert: "XX" } });
  a!.pull(b!);
  area.setSelectionRange(1, 5);
  typeInto(area, "");
  compose(area, "end");
  expect(area.value).toBe("aXXf");
  expect(a!.document.getText()).toBe("aXXf");
});

test("line endings that the area cannot show are kept in the document", () => {
  const [a, b] = replicasWith("");
  b!.shared.edit([{ position: 0, deleted: 0, inserted: "one\r\ntwo\rthree" }]);
  a!.pull(b!);
  const area = areaOf(a!);
  expect(area.value).toBe("one\ntwo\nthree");
  area.setSelectionRange(4, 4);
  typeInto(area, ">");
  expect(a!.document.getText()).toBe("one\r\n>two\rthree");
  area.setSelectionRange(3, 4);
  typeInto(area, " ");
  expect(a!.document.getText()).toBe("one >two\rthree");

  b!.pull(a!);
  b!.shared.edit([{ position: 9, deleted: 0, inserted: "\n" }]);
  a!.pull(b!);
  expect(a!.document.getText()).toBe("one >two\r\nthree");
  expect(area.value).toBe("one >two\nthree");
});

const JOINED: [name: string, text: string, from: number, to: number, typed: string, after: string][] = [
  ["typed after a lone one", "one\rtwo", 4, 4, "\n", "one\n\ntwo"],
  ["typed over what stands between two", "one\rX\ntwo", 4, 5, "\n", "one\n\n\ntwo"],
  ["left when what stands between two is deleted", "one\rX\ntwo", 4, 5, "", "one\n\ntwo"],
];

test.each(JOINED)(
  "a line ending stays one of its own: %s",
  (_name, text, from, to, typed, after) => {
    for (const composing of [false, true]) {
      const [a, b] = replicasWith("");
      b!.shared.edit([{ position: 0, deleted: 0, inserted: text }]);
      a!.pull(b!);
      const area = areaOf(a!);
      if (composing) compose(area, "start");
      area.setSelectionRange(from, to);
      typeInto(area, typed);
      expect(area.value).toBe(after);
      expect(a!.document.getText()).toBe(after);
      // What follows is still put in the right place, and so is what comes from others.
      typeInto(area, "!");
      b!.pull(a!);
      b!.shared.edit([{ position: 0, deleted: 0, inserted: "\r\n" }]);
      a!.pull(b!);
      if (composing) compose(area, "end");
      expect(area.value).toBe(`\n${a!.document.getText().slice(2)}`);
      expect(area.value).toContain(typed === "" ? "one\n!\ntwo" : `${typed}!`);
    }
  },
);

test("an edit of the text that others have deleted meanwhile is kept", () => {
  const [a, b] = replicasWith("one two three");
  const area = areaOf(a!);
  compose(area, "start");
  b!.view.dispatch({ changes: { from: 3, to: 7 } });
  a!.pull(b!);
  area.setSelectionRange(5, 7);
  typeInto(area, "日本");
  expect(a!.document.getText()).toBe("one日本 three");
  compose(area, "end");
  expect(area.value).toBe("one日本 three");
  b!.pull(a!);
  expect(b!.text).toBe("one日本 three");
});

test("half a surrogate pair shows as the document has it", async () => {
  const [a] = replicasWith("ab", 1);
  const area = areaOf(a!);
  area.setSelectionRange(1, 1);
  typeInto(area, "\ud83d");
  await nextTask();
  expect(area.value).toBe("a\ufffdb");
  expect(a!.document.getText()).toBe("a\ufffdb");
});

test("halves of a pair that come as two inputs are one character", async () => {
  const [a] = replicasWith("ab", 1);
  const area = areaOf(a!);
  area.setSelectionRange(1, 1);
  typeInto(area, "\ud83d");
  typeInto(area, "\ude00");
  expect(a!.document.getText()).toBe("a😀b");
  await nextTask();
  expect(area.value).toBe("a😀b");
  expect(selection(area)).toEqual([3, 3]);
});

test("an area that is let go hears nothing more and says nothing more", () => {
  const [a] = replicasWith("ab", 1);
  const area = document.createElement("textarea");
  const letGo = bindTextarea(area, a!.shared);
  letGo();
  a!.type("c");
  expect(area.value).toBe("ab");
  typeInto(area, "d");
  expect(a!.document.getText()).toBe("abc");
});

test("on a read-only text the area is read-only, and what gets in all the same is taken back", async () => {
  const [a] = replicasWith("ab", 1);
  const area = areaOf(a!);
  expect(area.readOnly).toBe(false);
  a!.shared.readOnly = true;
  expect(area.readOnly).toBe(true);
  expect(areaOf(a!).readOnly).toBe(true);
  area.setSelectionRange(1, 1);
  typeInto(area, "X");
  await Promise.resolve();
  expect(area.value).toBe("ab");
  expect(a!.document.getText()).toBe("ab");
});

test("a value that a script set without an event is taken over, and others' text comes to it", async () => {
  const [a, b] = replicasWith("some text");
  const area = areaOf(a!);
  area.value = "some longer text, set by a script";
  area.setSelectionRange(area.value.length, area.value.length);
  b!.view.dispatch({ changes: { from: 0, insert: ">> " } });
  a!.pull(b!);
  await new Promise<void>((resolve) => queueMicrotask(resolve));
  expect(area.value).toBe(">> some longer text, set by a script");
  expect(a!.document.getText()).toBe(area.value);
  expect(a!.text).toBe(area.value);

  area.value = "";
  b!.pull(a!);
  b!.view.dispatch({ changes: { from: 0, insert: "new " } });
  a!.pull(b!);
  await new Promise<void>((resolve) => queueMicrotask(resolve));
  expect(area.value).toBe("new ");
  expect(a!.text).toBe("new ");
});
