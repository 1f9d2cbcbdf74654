import type { NetworkStatus } from "crdt-wasm";
import { Presence, type PresenceSource, type User } from "./presence.js";
import { SharedText, type SharedTextOptions, type TextDocument } from "./shared_text.js";

/** What a binding may be given beside the text. */
export interface BindingOptions extends SharedTextOptions {
  /**
   * The network that carries the document, such as a `NetworkSync`: the others see where the selection is, theirs
   * are shown, and the text is read-only where the network says so.
   */
  network?: PresenceSource;
  /** The name and the colour under which the others see this page. */
  user?: User;
  /** What shows and hears of the others, in place of `network`, for a network of your own. */
  presence?: Presence;
}

const texts = new WeakMap<TextDocument, SharedText>();
const presences = new WeakMap<PresenceSource, Presence>();

/** What a binding shows, and through what it shows itself to others. */
export interface Bound {
  shared: SharedText;
  presence: Presence | null;
}

/** The shared text of a document, and the presence of a network: one for all views of them. */
export function boundTo(text: SharedText | TextDocument, options: BindingOptions): Bound {
  const shared = text instanceof SharedText ? text : sharedTextOf(text, options);
  const presence = options.presence ?? presenceIn(options.network, shared);
  if (presence !== null && options.user !== undefined) presence.setUser(options.user);
  return { shared, presence };
}

function sharedTextOf(document: TextDocument, options: SharedTextOptions): SharedText {
  const known = texts.get(document);
  if (known !== undefined) {
    if (options.UndoManager !== undefined) known.enableUndo(options.UndoManager);
    return known;
  }
  const shared = new SharedText(document, options);
  texts.set(document, shared);
  return shared;
}

function presenceIn(network: PresenceSource | undefined, shared: SharedText): Presence | null {
  if (network === undefined) return null;
  const known = presences.get(network);
  if (known !== undefined) return known;
  const presence = new Presence();
  presence.follow(network);
  network.on("status", ({ readOnly }: NetworkStatus) => {
    shared.readOnly = readOnly;
  });
  presences.set(network, presence);
  return presence;
}
