import { isolateHistory } from "@codemirror/commands";
import { EditorSelection, EditorState, type TransactionSpec } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { Document } from "crdt-wasm";
import { afterEach, describe, expect, test, vi } from "vitest";
import { fromDocument, redo, undo } from "../src/codemirror.js";
import { collaboration } from "../src/collaboration.js";
import { SharedText } from "../src/shared_text.js";
import { Replica, replicasWith } from "./replicas.js";

afterEach(() => {
  vi.unstubAllGlobals();
});

const settled = () => new Promise<void>((resolve) => queueMicrotask(resolve));
/** Half a pair is held for one task. */
const nextTask = () => new Promise<void>((resolve) => setTimeout(resolve));

describe("what is typed becomes the smallest edits of the document", () => {
  const CASES: [name: string, before: string, change: TransactionSpec, calls: string[]][] = [
    ["an insertion", "ab", { changes: { from: 1, insert: "X" } }, ["+1:X"]],
    ["a deletion", "abcd", { changes: { from: 1, to: 3 } }, ["-1:2"]],
    [
      "a replacement keeps what is the same at its ends",
      "one two three",
      { changes: { from: 0, to: 13, insert: "one 2 three" } },
      ["-4:3", "+4:2"],
    ],
    ["a replacement by the same text is none", "abc", { changes: { from: 0, to: 3, insert: "abc" } }, []],
    [
      "several changes: each position counts those before it, and none of those after it",
      "0123456789",
      {
        changes: [
          { from: 1, insert: "AA" },
          { from: 4, to: 6 },
          { from: 8, to: 9, insert: "B" },
        ],
      },
      ["+1:AA", "-6:2", "-8:1", "+8:B"],
    ],
    [
      "changes that touch",
      "abcdef",
      {
        changes: [
          { from: 1, to: 3, insert: "x" },
          { from: 3, to: 5, insert: "yz" },
        ],
      },
      ["-1:2", "+1:x", "-2:2", "+2:yz"],
    ],
    ["a line break", "ab", { changes: { from: 1, insert: "\n" } }, ["+1:\n"]],
    ["an emoji", "a", { changes: { from: 1, insert: "👩‍👧" } }, ["+1:👩‍👧"]],
    ["only a selection", "abc", { selection: { anchor: 2 } }, []],
  ];

  test.each(CASES)("%s", (_name, before, change, calls) => {
    const [a] = replicasWith(before, 1);
    a!.document.calls.length = 0;
    a!.view.dispatch(change);
    expect(a!.document.calls).toEqual(calls);
    expect(a!.document.getText()).toBe(a!.text);
  });

  test("typing with several cursors", () => {
    const a = new Replica("a", EditorState.allowMultipleSelections.of(true));
    a.type("a\nb\nc");
    a.view.dispatch({
      selection: EditorSelection.create([0, 2, 4].map((at) => EditorSelection.cursor(at))),
    });
    a.type("- ");
    expect(a.document.getText()).toBe("- a\n- b\n- c");
  });

  test("two transactions in one update, the second on top of the first", () => {
    const [a] = replicasWith("abc", 1);
    const first = a!.view.state.update({ changes: { from: 0, insert: "1" } });
    const second = first.state.update({ changes: { from: 4, insert: "2" } });
    a!.view.update([first, second]);
    expect(a!.document.getText()).toBe("1abc2");
  });
});

describe("what others change is shown, and goes no further", () => {
  // Each row: what stands in the text, where a's selection is, what b does, where a's text and
  // selection are then.
  const CASES: [
    name: string,
    before: string,
    selection: [anchor: number, head: number],
    b: TransactionSpec,
    after: string,
    expected: [anchor: number, head: number],
  ][] = [
    ["before the caret", "abc", [2, 2], { changes: { from: 0, insert: "XX" } }, "XXabc", [4, 4]],
    ["after the caret", "abc", [1, 1], { changes: { from: 2, insert: "XX" } }, "abXXc", [1, 1]],
    ["at the caret", "abc", [1, 1], { changes: { from: 1, insert: "XX" } }, "aXXbc", [1, 1]],
    ["inside the selection", "abcd", [1, 3], { changes: { from: 2, insert: "X" } }, "abXcd", [1, 4]],
    ["a backward selection", "abcd", [3, 1], { changes: { from: 0, to: 1 } }, "bcd", [2, 0]],
    ["around the caret", "abcdef", [3, 3], { changes: { from: 1, to: 5 } }, "af", [1, 1]],
    ["an emoji before it", "abc", [1, 1], { changes: { from: 0, insert: "🦊" } }, "🦊abc", [3, 3]],
    [
      "several at once",
      "one two three",
      [8, 8],
      {
        changes: [
          { from: 0, to: 3, insert: "1" },
          { from: 4, to: 7, insert: "2" },
          { from: 13, insert: "!" },
        ],
      },
      "1 2 three!",
      [4, 4],
    ],
  ];

  test.each(CASES)("%s", (_name, before, [anchor, head], change, after, expected) => {
    const [a, b] = replicasWith(before);
    a!.place(anchor, head);
    a!.document.calls.length = 0;
    b!.view.dispatch(change);
    a!.pull(b!);
    expect(a!.text).toBe(after);
    const { main } = a!.view.state.selection;
    expect([main.anchor, main.head]).toEqual(expected);
    expect(a!.document.calls).toEqual([]);
  });

  test("it is marked, and no filter holds it back", () => {
    const marks: (boolean | undefined)[] = [];
    const [a] = replicasWith("", 1);
    const b = new Replica("b", [
      EditorState.transactionFilter.of((transaction) => (transaction.docChanged ? [] : transaction)),
      EditorState.readOnly.of(true),
      EditorView.updateListener.of((update) => {
        marks.push(...update.transactions.map((one) => one.annotation(fromDocument)));
      }),
    ]);
    a!.type("shown all the same");
    b.pull(a!);
    expect(b.text).toBe("shown all the same");
    expect(marks).toEqual([true]);
  });
});

describe("undo", () => {
  test("takes back one's own typing and leaves others' alone", () => {
    const [a, b] = replicasWith("start. ");
    a!.place(0);
    a!.place(7);
    a!.type("mine");
    b!.place(0);
    b!.type("theirs ");
    a!.pull(b!);
    expect(a!.text).toBe("theirs start. mine");
    undo(a!.view);
    expect(a!.text).toBe("theirs start. ");
    redo(a!.view);
    expect(a!.text).toBe("theirs start. mine");
    b!.pull(a!);
    expect(b!.text).toBe("theirs start. mine");
  });

  test("does nothing where only others wrote", () => {
    const [a, b] = replicasWith("", 2);
    b!.type("theirs");
    a!.pull(b!);
    expect(undo(a!.view)).toBe(false);
    expect(a!.text).toBe("theirs");
  });

  test("of a deletion puts the text back where it was, around what came meanwhile", () => {
    const [a, b] = replicasWith("one two three");
    a!.view.dispatch({
      changes: { from: 4, to: 8 },
      annotations: isolateHistory.of("before"),
    });
    b!.view.dispatch({ changes: { from: 0, insert: "zero " } });
    a!.pull(b!);
    undo(a!.view);
    expect(a!.text).toBe("zero one two three");
    b!.pull(a!);
    expect(b!.text).toBe(a!.text);
  });
});

describe("line endings", () => {
  test("a carriage return from elsewhere is kept, and positions stay right", () => {
    const [a, b] = replicasWith("");
    b!.shared.edit([{ position: 0, deleted: 0, inserted: "one\r\ntwo\rthree" }]);
    a!.pull(b!);
    expect(a!.text).toBe("one\r\ntwo\rthree");
    a!.view.dispatch({ changes: { from: a!.text.indexOf("three"), insert: ">" } });
    expect(a!.document.getText()).toBe("one\r\ntwo\r>three");
  });

  test("text that is pasted gets line feeds", () => {
    const [a] = replicasWith("", 1);
    const filters = a!.view.state.facet(EditorView.clipboardInputFilter);
    const pasted = filters.reduce((text, filter) => filter(text, a!.view.state), "a\r\nb\rc\n");
    expect(pasted).toBe("a\nb\nc\n");
  });
});

describe("where the document cannot do what the editor did", () => {
  test("half a surrogate pair inserted shows as the document has it", async () => {
    const [a] = replicasWith("ab", 1);
    a!.view.dispatch({ changes: { from: 1, insert: "\ud83d" } });
    await nextTask();
    await settled();
    expect(a!.document.getText()).toBe("a\ufffdb");
    expect(a!.text).toBe("a\ufffdb");
  });

  test("halves of a pair that come as two edits are one character", async () => {
    const [a, b] = replicasWith("ab");
    const type = (from: number, insert: string) =>
      a!.view.dispatch({ changes: { from, insert }, userEvent: "input.type" });
    type(1, "\ud83d");
    expect(a!.document.getText()).toBe("ab");
    type(2, "\ude00");
    expect(a!.document.getText()).toBe("a😀b");
    expect(a!.text).toBe("a😀b");
    await nextTask();
    expect(a!.text).toBe("a😀b");
    b!.pull(a!);
    expect(b!.text).toBe("a😀b");
    undo(a!.view);
    undo(a!.view);
    expect(a!.text).toBe("");
  });

  test("half a pair does not wait where others write, or the user goes on with something else", async () => {
    const [a, b] = replicasWith("ab");
    b!.type("theirs ");
    a!.view.dispatch({ changes: { from: 1, insert: "\ud83d" } });
    a!.pull(b!);
    await settled();
    expect(a!.document.getText()).toBe("theirs a\ufffdb");
    expect(a!.text).toBe("theirs a\ufffdb");
    a!.view.dispatch({ changes: { from: 7, insert: "\ud83d" } });
    a!.view.dispatch({ changes: { from: 0, to: 6 } });
    await settled();
    expect(a!.document.getText()).toBe(" \ufffda\ufffdb");
    expect(a!.text).toBe(a!.document.getText());
  });

  test("half a surrogate pair deleted takes the other half along", async () => {
    const [a] = replicasWith("a😀b", 1);
    a!.view.dispatch({ changes: { from: 2, to: 3 } });
    await settled();
    expect(a!.document.getText()).toBe("ab");
    expect(a!.text).toBe("ab");
  });

  const BESIDE: [name: string, before: string, changes: TransactionSpec["changes"], after: string][] = [
    ["a half deleted, then text further on", "a😀bcd", [{ from: 1, to: 2 }, { from: 4, to: 5, insert: "X" }], "abXd"],
    ["the other half deleted, then text further on", "a😀bcd", [{ from: 2, to: 3 }, { from: 5, insert: "X" }], "abcXd"],
    ["both halves, each by itself", "a😀bc", [{ from: 1, to: 2 }, { from: 2, to: 3 }], "abc"],
    ["halves of two", "a😀😃bc", [{ from: 2, to: 3 }, { from: 4, to: 5 }, { from: 6, to: 7 }], "ab"],
    ["text into the middle, then a deletion", "a😀bc", [{ from: 2, insert: "X" }, { from: 3, to: 4 }], "aX😀c"],
    ["a half inserted, then a deletion", "abcd", [{ from: 1, insert: "\ud83d" }, { from: 2, to: 3 }], "a\ufffdbd"],
  ];

  test.each(BESIDE)("several changes beside half a pair: %s", async (_name, before, changes, after) => {
    const [a] = replicasWith(before, 1);
    a!.view.dispatch({ changes: changes! });
    await settled();
    expect(a!.document.getText()).toBe(after);
    expect(a!.text).toBe(after);
  });

  test("what others change before the view is set right is not shown twice", async () => {
    const [a, b] = replicasWith("a😀b");
    b!.view.dispatch({ changes: { from: 4, insert: "!" } });
    a!.view.dispatch({ changes: { from: 2, to: 3 } });
    a!.pull(b!);
    await settled();
    expect(a!.text).toBe("ab!");
  });

  test("an editor that starts with another text takes the document's", async () => {
    const document = new Document("a");
    document.insert(0, "the document's");
    const view = new EditorView({
      state: EditorState.create({
        doc: "something else",
        extensions: collaboration(new SharedText(document)),
      }),
    });
    await settled();
    expect(view.state.doc.toString()).toBe("the document's");
    expect(document.getText()).toBe("the document's");
  });

  test("an editor shows what a program edits past it", () => {
    const [a, b] = replicasWith("ab");
    a!.document.insert(2, "cdef");
    expect(a!.text).toBe("abcdef");
    a!.document.transact(() => {
      a!.document.insert(0, "1");
      a!.document.deleteRange(3, 2);
      a!.document.insert(5, "!");
    });
    expect(a!.text).toBe(a!.document.getText());
    b!.pull(a!);
    expect(b!.text).toBe("1abef!");
  });

  test("a document that is gone is reported, and the editor keeps what it shows", async () => {
    const reported: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
    const [a] = replicasWith("ab", 1);
    a!.document.free();
    a!.type("c");
    await settled();
    expect(reported).not.toHaveLength(0);
    for (const error of reported) expect(error).toMatchObject({ code: "dead_handle" });
    expect(a!.text).toBe("abc");
  });
});

test("an editor that is destroyed hears nothing more", () => {
  const [a, b] = replicasWith("");
  a!.view.destroy();
  b!.type("x");
  expect(() => a!.pull(b!)).not.toThrow();
  expect(a!.text).toBe("");
});
