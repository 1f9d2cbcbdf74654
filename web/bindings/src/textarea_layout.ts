/** What decides where a text area breaks its lines, and how high they are. */
const STYLES = [
  "direction",
  "font-family",
  "font-feature-settings",
  "font-kerning",
  "font-size",
  "font-stretch",
  "font-style",
  "font-variant",
  "font-weight",
  "letter-spacing",
  "line-height",
  "overflow-wrap",
  "padding",
  "tab-size",
  "text-indent",
  "text-transform",
  "white-space",
  "word-break",
  "word-spacing",
];

/**
 * The layout of the text in a text area: a copy out of sight, in which places can be measured. Making one costs a
 * layout of the whole text. `remove` it in the same task.
 */
class Layout {
  readonly #copy = document.createElement("div");
  readonly #text: Text;
  readonly #range = document.createRange();
  readonly #start: number;

  constructor(area: HTMLTextAreaElement) {
    const style = getComputedStyle(area);
    for (const name of STYLES) this.#copy.style.setProperty(name, style.getPropertyValue(name));
    Object.assign(this.#copy.style, {
      position: "absolute",
      top: "0",
      left: "-100vw",
      visibility: "hidden",
      boxSizing: "border-box",
      // Without the scroll bar.
      width: `${area.clientWidth}px`,
    });
    // The last character makes every place of the text one before a character.
    this.#text = document.createTextNode(`${area.value}\u200b`);
    this.#copy.append(this.#text);
    document.body.append(this.#copy);
    this.#start = this.#copy.getBoundingClientRect().top;
  }

  /** Where the line with this position starts and ends, in pixels below the start of the content. */
  lineAt(position: number): { top: number; bottom: number } {
    const at = Math.min(position, this.#text.length - 1);
    this.#range.setStart(this.#text, at);
    this.#range.setEnd(this.#text, at + 1);
    const { top, bottom } = this.#range.getClientRects()[0] ?? this.#range.getBoundingClientRect();
    return { top: top - this.#start, bottom: bottom - this.#start };
  }

  /** The first position of the first line that ends below this height. O(log n). */
  positionAt(height: number): number {
    let [from, to] = [0, this.#text.length - 1];
    while (from < to) {
      const middle = Math.floor((from + to) / 2);
      if (this.lineAt(middle).bottom > height) to = middle;
      else from = middle + 1;
    }
    return from;
  }

  remove(): void {
    this.#copy.remove();
  }
}

/** The first line in view, wholly or in part. */
export interface VisibleLine {
  /** Where it starts in the text as shown. */
  position: number;
  /** How many pixels of it are out of view. */
  hidden: number;
}

/** The first line in view; `null` where the area is not scrolled. */
export function firstVisibleLine(area: HTMLTextAreaElement): VisibleLine | null {
  const { scrollTop } = area;
  if (scrollTop === 0) return null;
  const layout = new Layout(area);
  const position = layout.positionAt(scrollTop);
  const { top } = layout.lineAt(position);
  layout.remove();
  return { position, hidden: scrollTop - top };
}

/** Scrolls so that a line is where it was. */
export function scrollToLine(area: HTMLTextAreaElement, { position, hidden }: VisibleLine): void {
  const layout = new Layout(area);
  area.scrollTop = layout.lineAt(position).top + hidden;
  layout.remove();
}

/** Scrolls as little as shows the line with this position. */
export function scrollIntoView(area: HTMLTextAreaElement, position: number): void {
  if (area.scrollHeight <= area.clientHeight) return;
  const layout = new Layout(area);
  const { top, bottom } = layout.lineAt(position);
  layout.remove();
  if (top < area.scrollTop) area.scrollTop = top;
  else if (bottom > area.scrollTop + area.clientHeight) area.scrollTop = bottom - area.clientHeight;
}
