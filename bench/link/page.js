// What runs in a page, whichever library is in it. Times are in milliseconds since 1970, by the
// page's own clock.
import { Subject } from "subject";

const KEYS = "abcdefghijklmnopqrstuvwxyz ";
const now = () => performance.timeOrigin + performance.now();

/** Of y-codemirror.next: the other's caret, with the name, stands in the middle of the text. */
const CARETS = ".cm-ySelectionCaret";

/** How much of the text the editor shows. */
function shownLength(content) {
  let length = content.textContent.length;
  for (const caret of content.querySelectorAll(CARETS)) length -= caret.textContent.length;
  return length;
}

let subject;
/** When the text had grown to a length, by that length. */
let arrivals = new Map();
/** The time from a message to the event of its change. */
let receiving = [];

globalThis.bench = {
  async load(wasm) {
    await Subject.load(wasm);
  },

  /** Called in a page that joins no room at once. */
  idle() {
    Subject.idle();
  },

  /** Joins the room; with `patches`, with a text of that history. */
  open(name, url, room, patches) {
    subject = new Subject(name);
    if (patches !== undefined) subject.replay(patches);
    subject.connect(url, room);
    return subject.text.length;
  },

  /**
   * Joins a room in which somebody has a text of this length: how long until it is here, and how long the page has
   * been open then.
   */
  join(name, url, room, length, patience) {
    const begun = performance.now();
    subject = new Subject(name);
    subject.connect(url, room);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), patience);
      const { channels } = globalThis;
      const stop = subject.onChange((now) => {
        if (now !== length) return;
        const done = performance.now();
        clearTimeout(timer);
        stop();
        const { openedAt, received } = channels;
        resolve({ total: done - begun, open: done, delivery: done - openedAt, bytes: received });
      });
    });
  },

  link: () => subject.link,
  text: () => subject.text,

  /** Hears from now on when the text changes. */
  listen() {
    arrivals = new Map();
    receiving = [];
    subject.onChange((length) => {
      arrivals.set(length, now());
      receiving.push(performance.now() - globalThis.channels.cameAt);
    });
  },

  /**
   * Types at the end of the text, one key each `gap` ms; returns when each was pressed, and how long it
   * was from there to sending it.
   */
  async type(count, gap) {
    const presses = [];
    const sending = [];
    const sent = { ...globalThis.channels };
    let position = subject.text.length;
    const begun = performance.now() + gap;
    for (let key = 0; key < count; key += 1) {
      const wait = begun + key * gap - performance.now();
      await new Promise((resolve) => setTimeout(resolve, wait));
      const pressed = performance.now();
      presses.push([position + 1, performance.timeOrigin + pressed]);
      subject.insert(position, KEYS[key % KEYS.length]);
      // What is sent later was not held up by the library.
      const { sentAt } = globalThis.channels;
      if (sentAt >= pressed) sending.push(sentAt - pressed);
      position += 1;
    }
    // What is still on its way belongs to it.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { sent: bytes, messages } = globalThis.channels;
    return { presses, sending, bytes: bytes - sent.sent, messages: messages - sent.messages };
  },

  arrivals: () => [...arrivals],
  receiving: () => receiving,

  /** Opens an editor on the text, and takes the time of every key pressed and every text shown. */
  edit() {
    const view = subject.edit(document.body);
    globalThis.presses = [];
    arrivals = new Map();
    view.contentDOM.addEventListener(
      "keydown",
      // The event's own time is when the browser got the key.
      (event) => globalThis.presses.push(performance.timeOrigin + event.timeStamp),
      { capture: true },
    );
    const shown = () => {
      const length = shownLength(view.contentDOM);
      if (!arrivals.has(length)) arrivals.set(length, now());
    };
    new MutationObserver(shown).observe(view.contentDOM, {
      childList: true,
      characterData: true,
      subtree: true,
    });
  },

  shown() {
    const content = document.querySelector(".cm-content").cloneNode(true);
    for (const caret of content.querySelectorAll(CARETS)) caret.remove();
    return content.textContent;
  },

  presses: () => globalThis.presses,
};
