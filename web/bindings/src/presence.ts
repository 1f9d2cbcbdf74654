import type { NetworkStatus, NetworkSyncEvents } from "crdt-wasm";

/** How someone is shown to the others. */
export interface User {
  name: string;
  /** Any CSS colour. */
  color: string;
  /** Whether the page is out of its owner's sight. */
  away?: boolean;
}

/** Ends of a selection as anchors, which stay with the characters beside them whatever is edited. */
export interface AnchoredSelection {
  /** Where it began. */
  anchor: string;
  /** Where the caret is; the same as `anchor` where nothing is selected. */
  head: string;
}

/** One of the others, as far as they show themselves. */
export interface Participant {
  /** One page of theirs; someone with two pages is here twice. */
  session: string;
  /** The agent id, as in the network's status. */
  peer: string;
  user: User | null;
  selection: AnchoredSelection | null;
}

/** Where presence goes to and comes from; `NetworkSync` of crdt-wasm is one. */
export interface PresenceSource {
  on<K extends "presence" | "status">(event: K, callback: (payload: NetworkSyncEvents[K]) => void): void;
  off<K extends "presence" | "status">(event: K, callback: (payload: NetworkSyncEvents[K]) => void): void;
  setPresence(field: string, value: unknown): void;
}

const MAX_NAME = 80;
const MAX_COLOR = 80;

/**
 * Who is here and where they are in the text: one's own part for the others to see, and theirs.
 *
 * It outlives the connection: what is set is shown in whatever network is followed.
 */
export class Presence {
  readonly #own = new Map<string, unknown>();
  readonly #others = new Map<string, Participant>();
  readonly #listeners = new Set<() => void>();
  #source: PresenceSource | null = null;

  /** Whether there is anybody who could see what is set here. */
  get isShown(): boolean {
    return this.#source !== null;
  }

  /** The others, each page of theirs by itself, in the order in which they came. */
  get participants(): readonly Participant[] {
    return [...this.#others.values()];
  }

  /** Shows the others a name and a colour, or none with `null`. */
  setUser(user: User | null): void {
    this.#set("user", user);
  }

  /** Shows the others a selection, or none with `null`. */
  setSelection(selection: AnchoredSelection | null): void {
    this.#set("selection", selection);
  }

  /** Calls `listener` whenever the others changed; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Shows and hears from now on in this network, in place of any earlier one. */
  follow(source: PresenceSource | null): void {
    this.#source?.off("presence", this.#heard);
    this.#source?.off("status", this.#noticed);
    this.#source = source;
    this.#forget();
    if (source === null) return;
    source.on("presence", this.#heard);
    source.on("status", this.#noticed);
    for (const [field, value] of this.#own) source.setPresence(field, value);
  }

  #set(field: string, value: unknown): void {
    if (JSON.stringify(this.#own.get(field) ?? null) === JSON.stringify(value)) return;
    this.#own.set(field, value);
    this.#source?.setPresence(field, value);
  }

  readonly #heard = ({ session, peer, fields, left }: NetworkSyncEvents["presence"]): void => {
    if (left) {
      this.#others.delete(session);
    } else {
      const before = this.#others.get(session);
      this.#others.set(session, {
        session,
        peer,
        user: "user" in fields ? userIn(fields["user"]) : (before?.user ?? null),
        selection:
          "selection" in fields ? selectionIn(fields["selection"]) : (before?.selection ?? null),
      });
    }
    this.#tell();
  };

  /** A member that leaves the room receives no presence any more, not even that others left. */
  readonly #noticed = ({ state }: NetworkStatus): void => {
    if (state !== "connected" && state !== "reconnecting") this.#forget();
  };

  #forget(): void {
    if (this.#others.size === 0) return;
    this.#others.clear();
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        reportError(error);
      }
    }
  }
}

/** What a peer sent, if it is what it should be. */
function userIn(value: unknown): User | null {
  const { name, color, away } = partsOf(value);
  if (typeof name !== "string" || typeof color !== "string" || color.length > MAX_COLOR) return null;
  const shown = { name: Array.from(name).slice(0, MAX_NAME).join(""), color };
  return away === true ? { ...shown, away } : shown;
}

function selectionIn(value: unknown): AnchoredSelection | null {
  const { anchor, head } = partsOf(value);
  return typeof anchor === "string" && typeof head === "string" ? { anchor, head } : null;
}

function partsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
