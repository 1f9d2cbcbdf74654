// Event streams of the fake servers, behind a `fetch` that knows nothing else.
import { server } from './fake_signaling.mjs';

/** One session: what was sent on it, and the stream that is open. */
class Session {
  agentId;
  capabilities;
  #events = [];
  #stream = null;
  taken = 0;

  constructor(secret, of) {
    this.secret = secret;
    this.of = of;
  }

  /** A stream of what comes after an event. */
  open(after, first = '') {
    return new ReadableStream({
      start: (stream) => {
        this.#stream = stream;
        this.#write(first + this.#events.slice(after).join(''));
      },
      cancel: () => (this.#stream = null),
    });
  }

  /** The connection under the stream breaks. */
  break() {
    this.#stream?.error(new TypeError('network error'));
    this.#stream = null;
  }

  get(message) {
    const id = `${this.secret}.${this.#events.length + 1}`;
    this.#events.push(`id: ${id}\ndata: ${JSON.stringify(message)}\n\n`);
    this.#write(this.#events.at(-1));
  }

  end(code) {
    this.#write(`event: close\ndata: {"code":${code},"reason":"over"}\n\n`);
    this.#stream?.close();
    this.#stream = null;
    sessions.delete(this.secret);
    this.of.sockets.delete(this);
    this.of.leave(this);
  }

  #write(text) {
    if (text !== '') this.#stream?.enqueue(new TextEncoder().encode(text));
  }
}

/** All sessions, by their secrets. */
export const sessions = new Map();

/** How many answers to bodies get lost on their way. */
export const answers = { toLose: 0, lost: 0 };

function get(of, headers) {
  const [secret, after] = headers['last-event-id']?.split('.') ?? [];
  if (secret !== undefined) {
    const session = sessions.get(secret);
    return session ? new Response(session.open(Number(after))) : refusal(410);
  }
  const session = new Session(`secret-${Math.random().toString(36).slice(2)}`, of);
  sessions.set(session.secret, session);
  of.sockets.add(session);
  const first = { session: session.secret, idleMs: 600, resumeMs: 5_000, bodyBytes: 30_000 };
  const id = `${session.secret}.0`;
  return new Response(
    session.open(0, `id: ${id}\nevent: session\ndata: ${JSON.stringify(first)}\n\n:\n\n`),
  );
}

function post(of, body) {
  const [head, ...messages] = body.split('\n');
  const { session: secret, number, close } = JSON.parse(head);
  const session = sessions.get(secret);
  if (session === undefined) return refusal(410);
  if (number > session.taken + 1) return refusal(409);
  for (const message of messages.slice(session.taken + 1 - number)) {
    session.taken += 1;
    of.take(session, JSON.parse(message));
  }
  if (close) session.end(1000);
  if (messages.length > 0 && answers.toLose > 0) {
    answers.toLose -= 1;
    answers.lost += 1;
    throw new TypeError('network error');
  }
  return new Response(JSON.stringify({ taken: session.taken }));
}

function refusal(status) {
  return new Response('{}', { status });
}

globalThis.fetch = async (address, { method = 'GET', headers = {}, body } = {}) => {
  const of = server(String(address).replace(/^http/, 'ws').replace(/\/sse$/, ''));
  if (!of.isUp || !of.hasStreams) throw new TypeError('fetch failed');
  return method === 'GET' ? get(of, headers) : post(of, body);
};
