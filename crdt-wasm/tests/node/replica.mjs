// A document with its sync, and what a test wants to know of them.
import { crdt } from './package.mjs';

const { Document, NetworkSync } = crdt;

export class Replica {
  events = [];

  constructor(name, options) {
    this.name = name;
    this.doc = new Document(name);
    this.sync = new NetworkSync(this.doc.handle, name, options);
    for (const event of ['status', 'peers', 'synced', 'presence', 'outdated', 'diverged', 'error']) {
      this.sync.on(event, (payload) => this.events.push([event, payload]));
    }
  }

  get text() {
    return this.doc.getText();
  }

  get peers() {
    return this.sync.getStatus().peers;
  }

  /** What came with the events of this name. */
  told(name) {
    return this.events.filter(([event]) => event === name).map(([, payload]) => payload);
  }

  codes() {
    return this.told('error').map((error) => error.code);
  }

  type(text) {
    this.doc.insert(this.text.length, text);
  }

  end() {
    this.sync.destroy();
    this.doc.free();
  }
}

/** Runs `use` with replicas of these names, and ends them after. */
export async function withReplicas(names, options, use) {
  const replicas = names.map((name) => new Replica(name, options));
  try {
    await use(...replicas);
  } finally {
    for (const replica of replicas) {
      replica.end();
    }
  }
}

/** Waits until `holds` does; what never does fails the test after a time that only a defect takes. */
export async function until(holds, what) {
  const giveUp = Date.now() + 30_000;
  while (!holds()) {
    if (Date.now() > giveUp) {
      throw new Error(`never: ${what ?? holds}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Lets everything that is under way arrive. */
export const pause = (millis = 30) => new Promise((resolve) => setTimeout(resolve, millis));

/**
 * Two transports that are each other's ends, within this process, as a user would write them. `cut()`
 * breaks the way between them and `heal()` restores it, both ends knowing.
 */
export function cable() {
  const ends = [new CableEnd(), new CableEnd()];
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  const meet = () => {
    if (ends.every((end) => end.callbacks !== null && !end.isCut)) {
      ends.forEach((end) => end.callbacks.connect());
    }
  };
  ends.forEach((end) => {
    end.onStart = meet;
  });
  return {
    ends,
    cut() {
      for (const end of ends) {
        end.isCut = true;
        end.callbacks?.disconnect();
      }
    },
    heal() {
      for (const end of ends) {
        end.isCut = false;
      }
      meet();
    },
  };
}

class CableEnd {
  callbacks = null;
  isCut = false;
  sent = 0;
  starts = 0;
  stops = 0;

  start(callbacks) {
    this.starts += 1;
    this.callbacks = callbacks;
    this.onStart();
  }

  send(message) {
    this.sent += message.length;
    setImmediate(() => {
      if (!this.isCut) {
        this.other.callbacks?.receive(message);
      }
    });
  }

  stop() {
    this.stops += 1;
    this.callbacks = null;
    this.other.callbacks?.disconnect();
  }
}
