import {
  EditorSelection,
  type EditorState,
  type Extension,
  StateEffect,
  StateField,
  type Transaction,
} from "@codemirror/state";
import {
  EditorView,
  layer,
  type LayerMarker,
  RectangleMarker,
  ViewPlugin,
  type ViewUpdate,
} from "@codemirror/view";
import { AfterChange } from "./after_change.js";
import { fromDocument, heldChanges } from "./codemirror.js";
import type { AnchoredSelection, Presence } from "./presence.js";
import type { SharedText } from "./shared_text.js";

/**
 * A CodeMirror extension that shows the others where the selection is, and shows theirs here: a
 * coloured caret with the name, which fades when nothing happens, and the selected text tinted.
 *
 * For an editor that has `collaboration(shared)` too. Nothing is put into the text itself, and what
 * is shown moves with it at once.
 */
export function remoteCursors(shared: SharedText, presence: Presence): Extension {
  return [
    places,
    ViewPlugin.define((view) => new CursorBinding(view, shared, presence)),
    layer({ above: false, class: "cm-remoteSelections", update: isDue, markers: selections }),
    layer({ above: true, class: "cm-remoteCursors", update: isDue, markers: carets }),
    theme,
  ];
}

/** Where someone else is in the text. */
export interface RemoteSelection {
  session: string;
  name: string;
  color: string;
  /** Where the selection began; the same as `head` where nothing is selected. */
  anchor: number;
  /** Where the caret is. */
  head: number;
}

/** Where the others are in the text of an editor with `remoteCursors`; empty for one without. */
export function remoteSelections(state: EditorState): readonly RemoteSelection[] {
  return state.field(places, false) ?? [];
}

interface Place extends RemoteSelection {
  /** Counts what they did, so that the name shows again. */
  moves: number;
}

const setPlaces = StateEffect.define<readonly RemoteSelection[]>();

const places = StateField.define<readonly Place[]>({
  create: () => [],
  update(before, transaction) {
    const moved = transaction.docChanged ? before.map((one) => carried(one, transaction)) : before;
    return transaction.effects.reduce(
      (now, effect) => (effect.is(setPlaces) ? placed(effect.value, now) : now),
      moved,
    );
  },
});

/** The place in the text as a transaction leaves it. */
function carried(place: Place, transaction: Transaction): Place {
  const { changes } = transaction;
  const { anchor, head } = place;
  // As the anchors do: a caret stays before what it is before, and a selection does not grow.
  const typed = transaction.annotation(fromDocument) === true && changes.touchesRange(head) !== false;
  return {
    ...place,
    anchor: changes.mapPos(anchor, anchor > head ? -1 : 1),
    head: changes.mapPos(head, head > anchor ? -1 : 1),
    moves: place.moves + (typed ? 1 : 0),
  };
}

function placed(now: readonly RemoteSelection[], before: readonly Place[]): readonly Place[] {
  return now.map((place) => {
    const old = before.find((one) => one.session === place.session);
    if (old === undefined) return { ...place, moves: 0 };
    const same = old.anchor === place.anchor && old.head === place.head;
    return { ...place, moves: old.moves + (same ? 0 : 1) };
  });
}

/** Keeps what is shown and what the network knows of the selections equal. */
class CursorBinding {
  readonly #view: EditorView;
  readonly #shared: SharedText;
  readonly #presence: Presence;
  readonly #leave: () => void;
  /** By then the document has the change too. */
  readonly #showing = new AfterChange(() => {
    this.#showOwn();
    this.#showOthers();
  });
  /** A member that never was in the text has no place in it. */
  #entered = false;

  constructor(view: EditorView, shared: SharedText, presence: Presence) {
    this.#view = view;
    this.#shared = shared;
    this.#presence = presence;
    this.#leave = presence.onChange(() => this.#showing.plan());
    this.#showing.plan();
  }

  update(update: ViewUpdate): void {
    this.#entered ||= update.view.hasFocus || update.transactions.some(isOwn);
    if (update.docChanged || update.selectionSet || update.focusChanged) this.#showing.plan();
  }

  destroy(): void {
    this.#showing.end();
    this.#leave();
    this.#presence.setSelection(null);
  }

  #showOwn(): void {
    if (!this.#entered || !this.#presence.isShown) return;
    const { anchor, head } = this.#view.state.selection.main;
    const held = heldChanges(this.#view);
    const inDocument = (position: number) => held?.mapPos(position, -1) ?? position;
    this.#presence.setSelection(this.#shared.anchorSelection(inDocument(anchor), inDocument(head)));
  }

  #showOthers(): void {
    const { length } = this.#view.state.doc;
    const now = this.#presence.participants.flatMap(({ session, user, selection }) => {
      const found = user && selection && this.#positions(selection);
      if (!user || !found) return [];
      const [anchor, head] = found.map((position) => Math.min(position, length)) as [number, number];
      return [{ session, name: user.name, color: user.color, anchor, head }];
    });
    if (!isShown(now, this.#view.state.field(places))) {
      this.#view.dispatch({ effects: setPlaces.of(now) });
    }
  }

  /** `null` for places in text that has not arrived yet; when it does, this is asked again. */
  #positions({ anchor, head }: AnchoredSelection): [number, number] | null {
    const [from, to] = [this.#shared.positionOf(anchor), this.#shared.positionOf(head)];
    if (from === null || to === null) return null;
    const shown = heldChanges(this.#view)?.invertedDesc;
    return shown === undefined ? [from, to] : [shown.mapPos(from, 1), shown.mapPos(to, 1)];
  }
}

/** Whether it is from whoever works in this editor. */
function isOwn(transaction: Transaction): boolean {
  return (
    transaction.annotation(fromDocument) !== true &&
    (transaction.docChanged || transaction.selection !== undefined)
  );
}

function isShown(now: readonly RemoteSelection[], shown: readonly Place[]): boolean {
  return (
    now.length === shown.length &&
    now.every((place, index) => {
      const old = shown[index]!;
      return (Object.keys(place) as (keyof typeof place)[]).every((key) => place[key] === old[key]);
    })
  );
}

function isDue(update: ViewUpdate): boolean {
  return (
    update.docChanged ||
    update.geometryChanged ||
    update.startState.field(places) !== update.state.field(places)
  );
}

function selections(view: EditorView): readonly LayerMarker[] {
  return view.state.field(places).flatMap(({ anchor, head, color }) => {
    if (anchor === head) return [];
    const range = EditorSelection.range(anchor, head);
    return RectangleMarker.forRange(view, "cm-remoteSelection", range).map(
      (rectangle) => new TintMarker(rectangle, color),
    );
  });
}

function carets(view: EditorView): readonly LayerMarker[] {
  return view.state.field(places).flatMap((place) => {
    const [rectangle] = RectangleMarker.forRange(view, "", EditorSelection.cursor(place.head));
    return rectangle === undefined ? [] : [new CaretMarker(rectangle, place)];
  });
}

/** A piece of selected text. */
class TintMarker implements LayerMarker {
  readonly rectangle: RectangleMarker;
  readonly color: string;

  constructor(rectangle: RectangleMarker, color: string) {
    this.rectangle = rectangle;
    this.color = color;
  }

  eq(other: LayerMarker): boolean {
    return (
      other instanceof TintMarker && other.color === this.color && this.rectangle.eq(other.rectangle)
    );
  }

  draw(): HTMLElement {
    const element = this.rectangle.draw();
    element.style.setProperty("--cm-person", this.color);
    return element;
  }
}

/** A caret with a name. */
class CaretMarker implements LayerMarker {
  readonly rectangle: RectangleMarker;
  readonly place: Place;

  constructor(rectangle: RectangleMarker, place: Place) {
    this.rectangle = rectangle;
    this.place = place;
  }

  eq(other: LayerMarker): boolean {
    if (!(other instanceof CaretMarker)) return false;
    const { session, name, color, moves } = other.place;
    const { place } = this;
    return (
      this.rectangle.eq(other.rectangle) &&
      session === place.session &&
      name === place.name &&
      color === place.color &&
      moves === place.moves
    );
  }

  draw(): HTMLElement {
    const element = document.createElement("div");
    element.className = "cm-remoteCursor";
    const name = document.createElement("span");
    name.className = "cm-remoteCursorName";
    name.textContent = this.place.name;
    element.append(name);
    element.style.setProperty("--cm-person", this.place.color);
    this.#adjust(element);
    return element;
  }

  update(element: HTMLElement, old: LayerMarker): boolean {
    if (!(old instanceof CaretMarker)) return false;
    const { session, name, color, moves } = old.place;
    const { place } = this;
    if (session !== place.session || name !== place.name || color !== place.color) return false;
    this.#adjust(element);
    if (moves !== place.moves) {
      for (const fading of element.firstElementChild?.getAnimations() ?? []) fading.currentTime = 0;
    }
    return true;
  }

  #adjust(element: HTMLElement): void {
    const { left, top, height } = this.rectangle;
    element.style.left = `${left}px`;
    element.style.top = `${top}px`;
    element.style.height = `${height}px`;
    // On the first line there is no room above.
    element.classList.toggle("cm-remoteCursor-first", top < height);
  }
}

const theme = EditorView.baseTheme({
  ".cm-remoteSelections, .cm-remoteCursors": {
    pointerEvents: "none",
  },
  ".cm-remoteSelection": {
    backgroundColor: "color-mix(in srgb, var(--cm-person) 22%, transparent)",
  },
  ".cm-remoteCursor": {
    boxSizing: "border-box",
    marginLeft: "-1px",
    borderLeft: "2px solid var(--cm-person)",
  },
  ".cm-remoteCursorName": {
    position: "absolute",
    left: "-2px",
    bottom: "100%",
    padding: "0 0.4em",
    maxWidth: "12em",
    overflow: "hidden",
    textOverflow: "ellipsis",
    whiteSpace: "nowrap",
    borderRadius: "0.35em 0.35em 0.35em 0",
    backgroundColor: "var(--cm-person)",
    color: "white",
    font: "600 0.6875rem/1.45 system-ui, sans-serif",
    animation: "cm-remoteCursorName 4s forwards",
  },
  ".cm-remoteCursor-first .cm-remoteCursorName": {
    bottom: "auto",
    top: "100%",
    borderRadius: "0 0.35em 0.35em 0.35em",
  },
  "@media (prefers-reduced-motion: reduce)": {
    ".cm-remoteCursorName": { animationTimingFunction: "step-end" },
  },
  "@keyframes cm-remoteCursorName": {
    "0%, 85%": { opacity: "1" },
    "100%": { opacity: "0" },
  },
});
