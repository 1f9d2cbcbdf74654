import type { NetworkStatus, NetworkSyncEvents } from "crdt-wasm";
import type { PresenceSource } from "../src/presence.js";

type Listener<K extends "presence" | "status"> = (payload: NetworkSyncEvents[K]) => void;

/** A room in which everybody hears at once, but for what is not told on purpose. */
export class Room {
  readonly seats: Seat[] = [];

  enter(): Seat {
    const seat = new Seat(this, `session-${this.seats.length}`);
    this.seats.push(seat);
    return seat;
  }
}

/** As a `NetworkSync`. */
export class Seat implements PresenceSource {
  readonly room: Room;
  readonly session: string;
  readonly sent: Record<string, unknown>[] = [];
  readonly #listeners = {
    presence: new Set<Listener<"presence">>(),
    status: new Set<Listener<"status">>(),
  };

  constructor(room: Room, session: string) {
    this.room = room;
    this.session = session;
  }

  on<K extends "presence" | "status">(event: K, callback: Listener<K>): void {
    (this.#listeners[event] as Set<Listener<K>>).add(callback);
    if (event !== "presence") return;
    // A newcomer receives what was shown before.
    for (const other of this.room.seats) {
      const fields = Object.assign({}, ...other.sent) as Record<string, unknown>;
      if (other !== this) this.#hear({ session: other.session, fields, left: false });
    }
  }

  off<K extends "presence" | "status">(event: K, callback: Listener<K>): void {
    (this.#listeners[event] as Set<Listener<K>>).delete(callback);
  }

  setPresence(field: string, value: unknown): void {
    this.sent.push({ [field]: value });
    this.tellOthers({ fields: { [field]: value }, left: false });
  }

  tellOthers(news: { fields: Record<string, unknown>; left: boolean }): void {
    for (const other of this.room.seats) {
      if (other !== this) other.#hear({ session: this.session, ...news });
    }
  }

  #hear(news: Omit<NetworkSyncEvents["presence"], "peer">): void {
    for (const listener of this.#listeners.presence) listener({ peer: news.session, ...news });
  }

  tellStatus(state: NetworkStatus["state"], readOnly = false): void {
    for (const listener of this.#listeners.status) listener({ state, readOnly } as NetworkStatus);
  }
}
