// Keeps somebody's caret in view.

import { EditorView, type ViewUpdate } from "@codemirror/view";
import { fromDocument, type Presence, remoteSelections } from "@crdt/codemirror";

/** Follows one of the others through the text, until the user does something in it. */
export class Follower {
  readonly #presence: Presence;
  readonly #show: () => void;
  #peer: string | null = null;
  #seenAt: number | null = null;

  /** `show` is called when another one, or nobody, is followed. */
  constructor(presence: Presence, show: () => void) {
    this.#presence = presence;
    this.#show = show;
  }

  /** The id of whoever is followed. */
  get peer(): string | null {
    return this.#peer;
  }

  /** Follows somebody, or nobody where that is so already. */
  toggle(peer: string, view: EditorView): void {
    this.#peer = this.#peer === peer ? null : peer;
    this.#seenAt = null;
    this.#scroll(view);
    this.#show();
  }

  stop(): void {
    if (this.#peer === null) return;
    this.#peer = null;
    this.#show();
  }

  /** Is to be called with every update of the editor. */
  update(update: ViewUpdate): void {
    if (this.#peer === null) return;
    const isOwn = update.transactions.some(
      (one) => one.docChanged && one.annotation(fromDocument) !== true,
    );
    // The editor is at work on the update.
    queueMicrotask(() => (isOwn ? this.stop() : this.#scroll(update.view)));
  }

  #scroll(view: EditorView): void {
    const followed = this.#presence.participants.find(({ peer }) => peer === this.#peer);
    const place = remoteSelections(view.state).find(({ session }) => session === followed?.session);
    if (place === undefined || place.head === this.#seenAt) return;
    this.#seenAt = place.head;
    view.dispatch({ effects: EditorView.scrollIntoView(place.head, { y: "center" }) });
  }
}
