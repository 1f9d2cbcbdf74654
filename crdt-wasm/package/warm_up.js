// `warmUp`, which becomes a part of glue.js where there is a network.
import { Document, NetworkSync } from "./glue.js";

/** How many edits go to and fro: a browser compiles some functions when they are called for the second time. */
const EDITS = 8;
/** The longest that it takes, in milliseconds, whatever fails. */
const LONGEST = 3000;

export async function warmUp() {
  // Before `init` this says so.
  new Document().free();
  // Without WebCrypto, as on plain HTTP, no room has a key.
  const key = globalThis.crypto?.subtle === undefined ? undefined : NetworkSync.newKey();
  const ends = [new End(), new End()];
  const docs = [];
  const syncs = [];
  let timer;
  try {
    for (const [i, end] of ends.entries()) {
      end.other = ends[1 - i];
      docs.push(new Document());
      syncs.push(new NetworkSync(docs[i].handle, docs[i].agentId, { room: "warm-up", key, links: [] }));
      syncs[i].addTransport(end);
    }
    const edited = new Promise((resolve) => {
      let left = EDITS;
      docs.forEach((doc, i) => {
        doc.on("change", ({ local }) => {
          if (local) return;
          left -= 1;
          if (left > 0) doc.insert(doc.length, `${i}`);
          else resolve();
        });
      });
    });
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, LONGEST);
    });
    docs[0].insert(0, "Warm");
    await Promise.race([Promise.all(syncs.map((sync) => sync.connect())).then(() => edited), late]);
  } catch {
    // What fails here fails again where somebody needs it, and is reported there.
  } finally {
    clearTimeout(timer);
    for (const sync of syncs) sync.destroy();
    for (const doc of docs) doc.free();
  }
}

/** One end of a transport in memory; each message arrives in a task of its own, so that the page goes on. */
class End {
  start(callbacks) {
    this.callbacks = callbacks;
    if (this.other.callbacks === undefined) return;
    callbacks.connect();
    this.other.callbacks.connect();
  }

  send(message) {
    setTimeout(() => this.other.callbacks?.receive(message));
  }

  stop() {
    this.callbacks = undefined;
  }
}
