// Undo belongs to the shared text, in every view of it.
import { isolateHistory } from "@codemirror/commands";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { redo, undo } from "../src/codemirror.js";
import { collaboration } from "../src/collaboration.js";
import { bindTextarea } from "../src/textarea.js";
import { type Replica, replicasWith } from "./replicas.js";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** One of the two kinds of views, as somebody uses it. */
interface Hand {
  readonly text: string;
  readonly selection: [number, number];
  select(anchor: number, head?: number): void;
  type(text: string): void;
  /** Puts text in as a paste does. */
  paste(text: string): void;
  undo(): void;
  redo(): void;
}

function editorHand(replica: Replica): Hand {
  const { view } = replica;
  const put = (text: string, userEvent: string) =>
    view.dispatch(view.state.replaceSelection(text), { userEvent });
  return {
    get text() {
      return replica.text;
    },
    get selection(): [number, number] {
      const { anchor, head } = view.state.selection.main;
      return [anchor, head];
    },
    select: (anchor, head) => replica.place(anchor, head),
    type: (text) => put(text, "input.type"),
    paste: (text) => put(text, "input.paste"),
    undo: () => void undo(view),
    redo: () => void redo(view),
  };
}

function areaHand(replica: Replica): Hand {
  const area = document.createElement("textarea");
  bindTextarea(area, replica.shared);
  const put = (text: string, inputType: string) => {
    area.dispatchEvent(new InputEvent("beforeinput", { inputType }));
    const { value, selectionStart, selectionEnd } = area;
    area.value = value.slice(0, selectionStart) + text + value.slice(selectionEnd);
    area.setSelectionRange(selectionStart + text.length, selectionStart + text.length);
    area.dispatchEvent(new InputEvent("input", { inputType }));
  };
  const press = (key: string, shiftKey = false) =>
    area.dispatchEvent(new KeyboardEvent("keydown", { key, ctrlKey: true, shiftKey }));
  return {
    get text() {
      return area.value;
    },
    get selection(): [number, number] {
      const { selectionStart, selectionEnd, selectionDirection } = area;
      const ends: [number, number] = [selectionStart, selectionEnd];
      return selectionDirection === "backward" ? [ends[1], ends[0]] : ends;
    },
    select: (anchor, head = anchor) =>
      area.setSelectionRange(
        Math.min(anchor, head),
        Math.max(anchor, head),
        head < anchor ? "backward" : "none",
      ),
    type: (text) => put(text, "insertText"),
    paste: (text) => put(text, "insertFromPaste"),
    undo: () => press("z"),
    redo: () => press("Z", true),
  };
}

describe.each([
  ["in CodeMirror", editorHand],
  ["in a text area", areaHand],
])("%s", (_name, handOf) => {
  test("typing is taken back in groups, and comes again", () => {
    const [a] = replicasWith("", 1);
    const hand = handOf(a!);
    hand.type("one");
    hand.type(" two");
    vi.advanceTimersByTime(600);
    hand.type(" three");
    hand.undo();
    expect(hand.text).toBe("one two");
    hand.undo();
    expect(hand.text).toBe("");
    hand.undo();
    hand.redo();
    expect(hand.text).toBe("one two");
    hand.redo();
    expect(hand.text).toBe("one two three");
    expect(a!.document.getText()).toBe(hand.text);
  });

  test("a moved caret and a paste each begin a step", () => {
    const [a] = replicasWith("", 1);
    const hand = handOf(a!);
    hand.type("ab");
    hand.select(1);
    hand.type("X");
    hand.paste("pasted");
    hand.undo();
    expect(hand.text).toBe("aXb");
    hand.undo();
    expect(hand.text).toBe("ab");
  });

  test("the selection comes back, moved by what others wrote", () => {
    const [a, b] = replicasWith("one two three");
    const hand = handOf(a!);
    hand.select(7, 4);
    hand.type("2");
    expect(hand.text).toBe("one 2 three");
    b!.view.dispatch({ changes: { from: 0, insert: "zero " } });
    a!.pull(b!);
    hand.select(0);
    hand.undo();
    expect(hand.text).toBe("zero one two three");
    expect(hand.selection).toEqual([12, 9]);
    hand.redo();
    expect(hand.text).toBe("zero one 2 three");
    expect(hand.selection).toEqual([0, 0]);
  });

  test("what others put inside stays at its place", () => {
    const [a, b] = replicasWith("one three");
    const hand = handOf(a!);
    hand.select(4);
    hand.paste("two ");
    b!.pull(a!);
    b!.view.dispatch({ changes: { from: 6, insert: "X" } });
    a!.pull(b!);
    expect(hand.text).toBe("one twXo three");
    hand.undo();
    expect(hand.text).toBe("one Xthree");
    hand.redo();
    expect(hand.text).toBe("one twXo three");
    b!.pull(a!);
    expect(b!.text).toBe(hand.text);
  });

  test("others' edits are not taken back", () => {
    const [a, b] = replicasWith("");
    const hand = handOf(a!);
    b!.type("theirs");
    a!.pull(b!);
    hand.undo();
    expect(hand.text).toBe("theirs");
    hand.select(6);
    hand.type(" and mine");
    hand.undo();
    hand.undo();
    expect(hand.text).toBe("theirs");
  });
});

test("the steps outlive the view, and another view can undo them", () => {
  const [a] = replicasWith("", 1);
  a!.type("typed");
  a!.view.destroy();
  const again = new EditorView({
    state: EditorState.create({ doc: a!.shared.text, extensions: collaboration(a!.shared) }),
  });
  expect(undo(again)).toBe(true);
  expect(again.state.doc.toString()).toBe("");
  const area = areaHand(a!);
  area.redo();
  expect(area.text).toBe("typed");
  expect(again.state.doc.toString()).toBe("typed");
});

test("several changes of one transaction are one step, and isolated ones are steps", () => {
  const [a] = replicasWith("abc", 1);
  vi.advanceTimersByTime(600);
  a!.place(0);
  a!.view.dispatch({ changes: [{ from: 0, insert: "1" }, { from: 3, insert: "2" }] });
  a!.view.dispatch({ changes: { from: 0, insert: "-" }, annotations: isolateHistory.of("full") });
  a!.type("x");
  expect(a!.text).toBe("x-1abc2");
  const texts = [1, 2, 3].map(() => {
    undo(a!.view);
    return a!.text;
  });
  expect(texts).toEqual(["-1abc2", "1abc2", "abc"]);
});

test("a composition is one step, however long it takes", () => {
  const [a] = replicasWith("say ", 1);
  vi.advanceTimersByTime(600);
  const compose = (from: number, to: number, insert: string, userEvent: string) =>
    a!.view.dispatch({ changes: { from, to, insert }, userEvent });
  compose(4, 4, "に", "input.type.compose.start");
  vi.advanceTimersByTime(3000);
  compose(4, 5, "にほ", "input.type.compose");
  vi.advanceTimersByTime(3000);
  compose(4, 6, "日本", "input.type.compose");
  undo(a!.view);
  expect(a!.text).toBe("say ");
});

test("of two who deleted the same word and both undo, one brings it back, once", () => {
  const [a, b] = replicasWith("the red house");
  vi.advanceTimersByTime(600);
  for (const one of [a!, b!]) one.view.dispatch({ changes: { from: 4, to: 8 } });
  a!.pull(b!);
  b!.pull(a!);
  undo(b!.view);
  expect(b!.text).toBe("the house");
  undo(a!.view);
  a!.pull(b!);
  b!.pull(a!);
  for (const one of [a!, b!]) expect(one.text).toBe("the red house");
});
