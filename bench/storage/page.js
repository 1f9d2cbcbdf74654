// What runs in a page, whichever library is in it. `?text=NAME` opens a stored text, and shows it. Times are in
// milliseconds since the navigation began.
import { Subject } from "subject";

/** Edits are made in transactions of so many. */
const TRANSACTION = 1000;

const nextTask = () => new Promise((resolve) => setTimeout(resolve));

/** After the next frame was painted. */
const painted = () =>
  new Promise((resolve) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
  });

/** Makes all edits of a history in a stored text, as often as `times` says, each time at its end. */
async function write(name, patches, times) {
  const subject = await Subject.open(name);
  for (let time = 0; time < times; time += 1) {
    const { length } = subject.text;
    const moved = patches.map(([position, deleted, inserted]) => [position + length, deleted, inserted]);
    for (let at = 0; at < moved.length; at += TRANSACTION) {
      subject.edit(moved.slice(at, at + TRANSACTION));
      await nextTask();
    }
  }
  await subject.settle();
  return subject.text;
}

async function open(name) {
  const times = { loaded: performance.now() };
  const subject = await Subject.open(name);
  times.opened = performance.now();
  const view = subject.show(document.body);
  await painted();
  times.seen = performance.now();
  const isShown = view.contentDOM.textContent.length > 0;
  return { times, isShown, text: subject.text };
}

globalThis.bench = {
  write,
  opened: null,
};
const name = new URLSearchParams(location.search).get("text");
if (name !== null) globalThis.bench.opened = open(name);
