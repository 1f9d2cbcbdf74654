// Signaling servers within this process, behind a `WebSocket` that Node 20 does not have. They keep
// the contract of docs/wire-protocol.md as far as the tests need it: join, peers, signals, the relay.

const servers = new Map();

/** The server at `url`: `down()` and `up()` end and begin it, `refuse` is the code of an error for every join. */
export function server(url) {
  if (!servers.has(url)) {
    servers.set(url, new FakeServer());
  }
  return servers.get(url);
}

class FakeServer {
  members = new Map();
  sockets = new Set();
  isUp = true;
  /** Something on the way breaks WebSockets, and requests get through. */
  breaksWebSockets = false;
  hasStreams = false;
  refuse = null;
  joins = 0;
  relayed = 0;

  down() {
    this.isUp = false;
    for (const socket of [...this.sockets]) {
      socket.end(1006);
    }
  }

  up() {
    this.isUp = true;
  }

  take(socket, message) {
    if (message.type === 'join') {
      this.#join(socket, message);
    } else if (message.type === 'leave') {
      this.leave(socket);
    } else if (message.to !== undefined) {
      this.relayed += Number(message.type === 'relay');
      this.members.get(message.to)?.get(message);
    }
  }

  #join(socket, { agentId, capabilities }) {
    this.joins += 1;
    if (this.refuse !== null) {
      socket.get({ type: 'error', code: this.refuse, message: 'not you' });
      return;
    }
    for (const member of this.members.values()) {
      member.get({ type: 'peer_joined', peerId: agentId, capabilities });
    }
    const known = [...this.members].map(([id, member]) => [id, member.capabilities]);
    socket.agentId = agentId;
    socket.capabilities = capabilities;
    this.members.set(agentId, socket);
    socket.get({
      type: 'peer_list',
      peers: known.map(([id]) => id),
      capabilities: Object.fromEntries(known),
    });
  }

  leave(socket) {
    if (this.members.get(socket.agentId) !== socket) {
      return;
    }
    this.members.delete(socket.agentId);
    for (const member of this.members.values()) {
      member.get({ type: 'peer_left', peerId: socket.agentId });
    }
  }
}

/** How many sockets were ever opened. */
export let opened = 0;

/** What a page hears of itself: `pagehide`, `pageshow`, `online`. Node has no such target. */
export const page = new EventTarget();
globalThis.addEventListener = page.addEventListener.bind(page);
globalThis.removeEventListener = page.removeEventListener.bind(page);

class FakeWebSocket extends EventTarget {
  bufferedAmount = 0;
  #isOver = false;
  #server;

  constructor(url) {
    super();
    opened += 1;
    this.#server = server(url);
    setImmediate(() => {
      if (!this.#server.isUp || this.#server.breaksWebSockets) {
        this.end(1006);
      } else if (!this.#isOver) {
        this.#server.sockets.add(this);
        this.dispatchEvent(new Event('open'));
      }
    });
  }

  send(text) {
    setImmediate(() => {
      if (!this.#isOver) {
        this.#server.take(this, JSON.parse(text));
      }
    });
  }

  close() {
    setImmediate(() => this.end(1000));
  }

  get(message) {
    setImmediate(() => {
      if (!this.#isOver) {
        this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(message) }));
      }
    });
  }

  end(code) {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#server.sockets.delete(this);
    this.#server.leave(this);
    this.dispatchEvent(Object.assign(new Event('close'), { code, reason: '' }));
  }
}

globalThis.WebSocket = FakeWebSocket;
// Where a test needs event streams, fake_event_streams.mjs has them.
globalThis.fetch = async () => {
  throw new TypeError('fetch failed');
};
