// A socket to a signaling server in place of a WebSocket, for networks that break these: what the server says
// comes as an event stream, and what is said to it goes in the bodies of requests. It has the part of a
// WebSocket that its driver uses.

/** Messages that go in one body, in UTF-16 units; a longer one goes alone. */
const BODY = 65_536;

/** How long to wait before a request that failed is made again, in milliseconds. */
const PAUSE = 500;

/** How long a session may still get its end after a refused request, in milliseconds. */
const END_AFTER_REFUSAL = 2_000;

/** The address of event streams at a server, whose address is one of WebSockets. */
function addressOf(url) {
  const address = new URL(url.replace(/^ws/i, "http"));
  const path = address.pathname;
  const room = /\/ws(\/[^/]*)?$/;
  address.pathname = room.test(path) ? path.replace(room, "/sse$1") : path.replace(/\/?$/, "/sse");
  return address.href;
}

/** Opens a socket. Throws where the address is none. */
export function openEventStream(url) {
  return new EventStreamSocket(addressOf(url));
}

/** What the server says of a session, within bounds: a page does not spin for what a server says. */
function sessionOf({ session, idleMs, resumeMs, bodyBytes }) {
  const within = (value, least, most) => Math.min(Math.max(Number(value) || least, least), most);
  return {
    session: String(session),
    idleMs: within(idleMs, 1000, 600_000),
    resumeMs: within(resumeMs, 0, 600_000),
    bodyBytes: within(bodyBytes, 1024, 2 ** 30),
  };
}

class EventStreamSocket extends EventTarget {
  #address;
  /** What the server said of the session, once it is open. */
  #session = null;
  /** The id of the last event, and its number. */
  #last = "";
  #seen = 0;
  /** What waits to be taken, with the number of the first, and its length. */
  #waiting = [];
  #number = 1;
  #isSending = false;
  #isOver = false;
  /** Ends the request for the stream that is open. */
  #stream = new AbortController();
  #timers = new Set();

  bufferedAmount = 0;

  constructor(address) {
    super();
    this.#address = address;
    this.#run();
  }

  send(text) {
    // What a text frame would hold on several lines is white space.
    this.#waiting.push(text.replaceAll("\n", " "));
    this.bufferedAmount += text.length;
    this.#send();
  }

  close() {
    if (this.#isOver) return;
    this.#stop();
    if (this.#session === null) return;
    const body = this.#body(this.#waiting, true);
    // A page that goes away gets no answer; what is larger than this is not sent then.
    const keepalive = body.length < BODY / 2;
    fetch(this.#address, { method: "POST", body, keepalive }).catch(() => {});
  }

  async #run() {
    let until = 0;
    do {
      this.#stream = new AbortController();
      const wasOpen = await this.#read().catch(() => false);
      if (this.#isOver) return;
      if (wasOpen) until = Date.now() + this.#session.resumeMs;
      // A server that refuses to go on, or never began, is given up.
      if (wasOpen === null || Date.now() > until) break;
      await this.#after(PAUSE);
    } while (!this.#isOver);
    this.#end(1006, "");
  }

  /** Reads a stream to its end. Whether there was one; `null` where the server refuses it. */
  async #read() {
    const { signal } = this.#stream;
    const headers = this.#last === "" ? {} : { "last-event-id": this.#last };
    const answer = await fetch(this.#address, { headers, signal, cache: "no-store" });
    if (!answer.ok) return null;
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    try {
      for (;;) {
        const silence = this.#later(this.#session?.idleMs ?? 10_000, () => this.#stream.abort());
        const { done, value } = await reader.read().finally(() => this.#cancel(silence));
        if (done) break;
        const blocks = (text + decoder.decode(value, { stream: true })).split("\n\n");
        text = blocks.pop();
        for (const block of blocks) this.#take(block);
      }
    } catch {
      // It broke off.
    }
    return this.#session !== null;
  }

  /** Takes one event. */
  #take(block) {
    let kind = "message";
    const data = [];
    for (const line of block.split("\n")) {
      const [, field, value] = /^([a-z]*): ?(.*)$/.exec(line) ?? [];
      if (field === "id") this.#last = value;
      else if (field === "event") kind = value;
      else if (field === "data") data.push(value);
    }
    if (data.length === 0 || this.#isOver) return;
    const text = data.join("\n");
    if (kind === "session") {
      this.#session = sessionOf(JSON.parse(text));
      this.#beat();
      this.dispatchEvent(new Event("open"));
    } else if (kind === "close") {
      const { code, reason } = JSON.parse(text);
      this.#end(code, reason);
    } else {
      this.#seen = Number(this.#last.split(".")[1]);
      this.dispatchEvent(Object.assign(new Event("message"), { data: text }));
    }
  }

  /** Shows the server now and then that somebody is here. */
  #beat() {
    this.#later(this.#session.idleMs / 3, () => {
      this.#send(true);
      this.#beat();
    });
  }

  /** Sends what waits, one body after the other; `even`: also a body without messages. */
  async #send(even = false) {
    if (this.#isSending || this.#session === null || this.#isOver) return;
    this.#isSending = true;
    while ((even || this.#waiting.length > 0) && !this.#isOver) {
      even = false;
      // A UTF-16 unit takes up to three bytes.
      const most = Math.min(BODY, this.#session.bodyBytes / 3);
      let length = 0;
      const end = this.#waiting.findIndex((text) => (length += text.length + 1) > most);
      const messages = this.#waiting.slice(0, end < 0 ? undefined : Math.max(end, 1));
      const answer = await this.#post(this.#body(messages, false));
      if (answer?.ok) {
        for (const { length } of this.#waiting.splice(0, messages.length)) this.bufferedAmount -= length;
        this.#number += messages.length;
      } else if (answer === null || [408, 429].includes(answer.status)) {
        await this.#after(PAUSE);
      } else {
        // The stream says why, if it still can.
        this.#later(END_AFTER_REFUSAL, () => this.#end(1006, ""));
        return;
      }
    }
    this.#isSending = false;
  }

  async #post(body) {
    try {
      const answer = await fetch(this.#address, { method: "POST", body });
      await answer.text();
      return answer;
    } catch {
      return null;
    }
  }

  #body(messages, close) {
    const { session } = this.#session;
    const head = { session, number: this.#number, seen: this.#seen, close };
    return [JSON.stringify(head), ...messages].join("\n");
  }

  #end(code, reason) {
    if (this.#isOver) return;
    this.#stop();
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }

  #stop() {
    this.#isOver = true;
    this.#stream.abort();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #later(delay, act) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, delay);
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer) {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  #after(delay) {
    return new Promise((resolve) => this.#later(delay, resolve));
  }
}
