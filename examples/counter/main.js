// A counter that anybody may count up and down at any time, and no count is lost: a text whose length is
// the count. To count up is to insert, to count down is to delete.
//
// Three participants in each of two rooms, over a transport of their own: here a hub in this process, which
// delays every message. `NetworkSync` sends binary messages over it, and measures the round trips.
import init, { Document, NetworkSync } from "crdt-wasm";

const DELAY = 5;

/** Links a newcomer to a room with each member, by a transport each. */
class Hub {
  #rooms = new Map();

  enter(room, sync) {
    const others = this.#rooms.get(room) ?? [];
    for (const other of others) {
      const [one, two] = cable();
      sync.addTransport(one);
      other.addTransport(two);
    }
    this.#rooms.set(room, [...others, sync]);
  }
}

/** Two transports, the ends of one link. */
function cable() {
  const ends = [{}, {}];
  ends.forEach((end, i) => {
    const other = ends[1 - i];
    end.start = (callbacks) => {
      end.callbacks = callbacks;
      if (other.callbacks) ends.forEach(({ callbacks }) => callbacks.connect());
    };
    end.send = (bytes) => {
      setTimeout(() => other.callbacks?.receive(bytes), DELAY);
    };
    end.stop = () => {
      end.callbacks = undefined;
      other.callbacks?.disconnect();
    };
  });
  return ends;
}

class Counter {
  #doc;
  #sync;

  constructor(hub, room, name) {
    this.#doc = new Document({ name });
    this.#sync = new NetworkSync(this.#doc.handle, this.#doc.agentId, { links: [] });
    hub.enter(room, this.#sync);
  }

  get count() {
    return this.#doc.length;
  }

  up() {
    this.#doc.insert(this.count, "+");
  }

  down() {
    if (this.count > 0) this.#doc.delete(this.count - 1, 1);
  }

  connect() {
    return this.#sync.connect();
  }

  get links() {
    return this.#sync.getStatus().links;
  }

  end() {
    this.#sync.destroy();
    this.#doc.free();
  }
}

await init();
const hub = new Hub();
const rooms = { garden: [], kitchen: [] };
for (const [room, counters] of Object.entries(rooms)) {
  for (const name of ["Ada", "Bob", "Cleo"]) counters.push(new Counter(hub, room, name));
}
const everybody = Object.values(rooms).flat();
await Promise.all(everybody.map((counter) => counter.connect()));

for (const counter of rooms.garden) for (let i = 0; i < 10; i += 1) counter.up();
for (const counter of rooms.kitchen) counter.up();
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
const agree = (counters, count) => counters.every((counter) => counter.count === count);
while (!agree(rooms.garden, 30) || !agree(rooms.kitchen, 3)) await pause(DELAY);
// Two who count down at once delete the same: that is one. So only one does here.
rooms.garden[0].down();
while (!agree(rooms.garden, 29)) await pause(DELAY);

for (const [room, counters] of Object.entries(rooms)) {
  console.log(`${room}: ${counters.map(({ count }) => count).join(", ")}`);
}
const measured = () => rooms.garden[0].links.filter(({ rtt }) => rtt !== null);
while (measured().length < 2) await pause(DELAY);
for (const { peer, rtt, bytesIn, bytesOut } of measured()) {
  console.log(`${peer.split("  ")[0]}: ${Math.round(rtt)} ms, ${bytesIn} bytes in, ${bytesOut} out`);
}
for (const counter of everybody) counter.end();
