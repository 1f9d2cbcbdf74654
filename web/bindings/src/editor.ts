import { type Extension, StateEffect } from "@codemirror/state";
import type { EditorView } from "@codemirror/view";
import init, {
  type CrdtError,
  type Diagnosis,
  Document,
  type IceServer,
  NetworkSync,
  type NetworkStatus,
  type NetworkSyncEvents,
  type NetworkSyncOptions,
  UndoManager,
} from "crdt-wasm";
import { collaboration } from "./collaboration.js";
import { compositionOver } from "./composition.js";
import { earlyView } from "./early.js";
import { Presence, type User } from "./presence.js";
import { SharedText } from "./shared_text.js";

export interface CollabEditorOptions {
  /**
   * Who this page is in the room: 1 to 128 bytes, and nobody else's. Left out, it is random.
   * `enableNetworkSync` reads it, so a function may give another one each time.
   */
  agentId?: string | (() => string);
  /** The room to join; left out, the one in the address, else the server's default room. */
  room?: string | (() => string);
  /** STUN and TURN servers. The default is none, which is enough on one machine or local network. */
  iceServers?: IceServer[];
  /** The ways to a peer that may be used; all by default. */
  links?: NonNullable<NetworkSyncOptions["links"]>;
  /** The secret that the members of the room share: without it, anyone who knows the room's name can read and write. */
  key?: string;
  /** What `NetworkSync.readKey` gave, in place of `key`: the editor follows the room, and is read-only. */
  readKey?: string;
  /** The one of the two, where another one may be used each time that the network is enabled. */
  secret?: () => { key: string } | { readKey: string } | null;
  /** What lets this page into the room, where the server asks for a token. */
  token?: string | (() => string | null);
  /** How the others see whoever writes here. Left out, nobody sees where that is. */
  user?: User;
  /** The document to edit, which stays the caller's to free. Left out, the editor makes one. */
  document?: Document;
  /** A stored document to edit (`openStored` of crdt-wasm/storage), which stays the caller's to close. */
  stored?: StoredText;
  /** More extensions for CodeMirror; they come before the editor's own. */
  extensions?: Extension;
  /**
   * An editor to take over, made by `earlyView` (`@crdt/codemirror/early`) while this package was still being
   * loaded. What was typed in it becomes an edit of the document, in lines of its own before the text that is there.
   * `CollabEditor.create` waits until no input method composes in it, five seconds at most.
   */
  view?: EditorView;
  /** Called when the status changed in a way that a person would see. */
  onStatus?: (status: NetworkStatus | null) => void;
  /** Called when something fails; as `status` tells, it may go on by itself after that. */
  onError?: (error: CrdtError, status: NetworkStatus | null) => void;
  /** Called when a peer's version of the protocol does not go with this one; it says whose is old. */
  onOutdated?: (event: NetworkSyncEvents["outdated"]) => void;
  /** Called when a peer has another text at the same version: a defect, worth a report. */
  onDiverged?: (event: NetworkSyncEvents["diverged"]) => void;
}

/** A document that is kept somewhere. */
export interface StoredText {
  readonly document: Document;
}

/** A CodeMirror editor whose text can be shared with everyone in a room. */
export class CollabEditor {
  /** The editor itself, for everything that CodeMirror can do. */
  readonly view: EditorView;
  /** The text, for further views of it, or for a network layer of one's own. */
  readonly shared: SharedText;
  /** The document, for the whole API of crdt-wasm. */
  readonly document: Document;
  /** Who else is here and where they are; `presence.setUser` changes the name shown to them. */
  readonly presence = new Presence();

  readonly #options: CollabEditorOptions;
  #network: NetworkSync | null = null;
  #lastDiagnosis: Diagnosis | null = null;

  /** Loads the WebAssembly module if need be, and makes an editor in `parent`; `options.view` stays where it is. */
  static async create(parent: Element, options: CollabEditorOptions = {}): Promise<CollabEditor> {
    await init();
    // A composition would break off where the editor is set up anew.
    if (options.view !== undefined) await compositionOver(options.view);
    return new CollabEditor(parent, options);
  }

  /**
   * Makes an editor in `parent`. The WebAssembly module has to be loaded (`await init()` of
   * crdt-wasm) before; `CollabEditor.create` sees to that.
   */
  constructor(parent: Element, options: CollabEditorOptions = {}) {
    this.#options = options;
    this.document = options.document ?? options.stored?.document ?? new Document();
    this.shared = new SharedText(this.document, { UndoManager });
    this.shared.readOnly = "readKey" in this.#secret();
    if (options.user !== undefined) this.presence.setUser(options.user);
    const extensions = [
      options.extensions ?? [],
      collaboration(this.shared, { presence: this.presence }),
    ];
    if (options.view === undefined) {
      this.view = earlyView(parent, { text: this.shared.text, extensions });
    } else {
      this.view = options.view;
      this.#takeIn(this.view.state.doc.toString());
      // The editor gets the text that was in the document then.
      this.view.dispatch({ effects: StateEffect.appendConfig.of(extensions) });
    }
  }

  /**
   * Shares the text through the signaling server at `wsUrl`, or several of them, in place of any
   * server before.
   *
   * Fulfilled when the server has let this page in, or cannot be reached for now, which is tried again and
   * again. Tabs of this browser are linked all the same. Rejected with a `CrdtError` that says what to do
   * where waiting cannot help; the editor is then not connected, and keeps its text.
   */
  async enableNetworkSync(wsUrl: string | string[]): Promise<void> {
    this.disableNetworkSync();
    const { agentId = randomId } = this.#options;
    const network = new NetworkSync(this.document.handle, valueOf(agentId), this.#networkOptions());
    this.#network = network;
    this.shared.readOnly = network.getStatus().readOnly;
    this.#lastDiagnosis = null;
    this.presence.follow(network);
    this.#listen(network);
    try {
      await network.connect(wsUrl);
    } catch (error) {
      if (this.#network === network) {
        this.#lastDiagnosis = network.doctor();
        this.disableNetworkSync();
      }
      throw error;
    }
  }

  /** Leaves the room. The text stays, and `enableNetworkSync` may be called again. */
  disableNetworkSync(): void {
    if (this.#network === null) return;
    this.presence.follow(null);
    this.#network.destroy();
    this.#network = null;
    this.#options.onStatus?.(null);
  }

  /** How the network stands: who is linked, and more; `null` while it is not enabled. */
  getNetworkStatus(): NetworkStatus | null {
    return this.#network?.getStatus() ?? null;
  }

  /**
   * Names the stage at which the connection fails, and what to do about it. After a failed
   * `enableNetworkSync`, that is what it failed at; `null` where nothing was tried.
   */
  doctor(): Diagnosis | null {
    return this.#network?.doctor() ?? this.#lastDiagnosis;
  }

  /** Leaves the room and takes the editor off the page. Frees the document if it made it. */
  destroy(): void {
    this.disableNetworkSync();
    this.view.destroy();
    this.shared.destroy();
    const { document, stored } = this.#options;
    if (document === undefined && stored === undefined) this.document.free();
  }

  /** Inserts what was typed before the document was there. The editor shows it at the start of its text. */
  #takeIn(typed: string): void {
    if (typed === "") return;
    const { text } = this.shared;
    const isApart = text === "" || typed.endsWith("\n") || text.startsWith("\n");
    const inserted = isApart ? typed : `${typed}\n`;
    this.shared.edit([{ position: 0, deleted: 0, inserted }]);
  }

  #networkOptions(): NetworkSyncOptions {
    const { room, iceServers = [], links } = this.#options;
    const token = this.#options.token === undefined ? null : valueOf(this.#options.token);
    return {
      iceServers,
      ...this.#secret(),
      ...(room === undefined ? {} : { room: valueOf(room) }),
      ...(links === undefined ? {} : { links }),
      ...(token === null ? {} : { token }),
    };
  }

  #secret(): { key: string } | { readKey: string } | Record<string, never> {
    const { key, readKey, secret } = this.#options;
    if (secret !== undefined) return secret() ?? {};
    if (readKey !== undefined) return { readKey };
    return key === undefined ? {} : { key };
  }

  #listen(network: NetworkSync): void {
    const { onStatus, onError, onOutdated, onDiverged } = this.#options;
    network.on("status", (status) => {
      this.shared.readOnly = status.readOnly;
    });
    if (onStatus) network.on("status", onStatus);
    if (onError) network.on("error", (error) => onError(error, this.getNetworkStatus()));
    if (onOutdated) network.on("outdated", onOutdated);
    if (onDiverged) network.on("diverged", onDiverged);
  }
}

/** An id that nobody else has. `crypto.randomUUID` is missing in pages over plain HTTP. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function valueOf<T>(option: string | (() => T)): string | T {
  return typeof option === "function" ? option() : option;
}
