// The benchmark's page in docs/.
import { cpus } from "node:os";

const sorted = (numbers) => [...numbers].sort((one, other) => one - other);
export const quantile = (numbers, part) => {
  const inOrder = sorted(numbers);
  return inOrder[Math.min(inOrder.length - 1, Math.floor(inOrder.length * part))];
};
export const median = (numbers) => quantile(numbers, 0.5);

const ms = (time) => `${time.toFixed(time < 10 ? 2 : 0)} ms`;
const thousands = (number) => Math.round(number).toLocaleString("en");

/** One row: the ratio with its aim, or the figure with its aim. */
function row(what, ours, theirs, show, aim) {
  const ratio = ours / theirs;
  const met = aim.of === "ratio" ? ratio <= aim.most : ours <= aim.most;
  const words = aim.of === "ratio" ? `≤ ${aim.most} of theirs` : `≤ ${show(aim.most)}`;
  const verdict = met ? "met" : "**missed**";
  return `| ${what} | ${show(ours)} | ${show(theirs)} | ${ratio.toFixed(2)} | ${words} | ${verdict} |`;
}

function joins({ name, events, length }, { results, raw }) {
  const ours = results.ours.joins[name];
  const theirs = results.yjs.joins[name];
  const times = (all, key) => median(all.map((join) => join[key]));
  const [delivery, bytes] = [times(ours, "delivery"), times(ours, "bytes")];
  const { plain, whole, packed } = raw[name];
  const bare = median(whole);
  const ratio = delivery / bare;
  const asFew = median(packed);
  const delivered = !theirs.includes(null);
  const their = delivered
    ? `${ms(times(theirs, "delivery"))}, ${thousands(times(theirs, "bytes"))} B`
    : "not delivered";
  const faster = delivered ? ` and faster than y-webrtc` : "";
  const met = ratio <= 1.5 && (!delivered || delivery < times(theirs, "delivery"));
  return `| ${name}: ${thousands(events)} events, ${thousands(length)} characters | ${ms(delivery)}, ${thousands(bytes)} B | ${ms(bare)}, ${thousands(plain)} B | ${ratio.toFixed(2)} | ${ms(asFew)} | ${(delivery / asFew).toFixed(2)} | ${their} | ≤ 1.5 of the bare channel${faster}: ${met ? "met" : "**missed**"} |`;
}

export function report({ results, raw, bare, versions, counts, traces }) {
  const { ours, yjs } = results;
  const both = (key, part) => [quantile(ours[key], part), quantile(yjs[key], part)];
  const bytes = (number) => `${number.toFixed(1)} B`;
  const count = (number) => number.toFixed(2);
  const rows = [
    row("document to document, p50", ...both("latencies", 0.5), ms, { of: "ratio", most: 0.8 }),
    row("document to document, p99", ...both("latencies", 0.99), ms, { of: "ratio", most: 1 }),
    row("bytes a keystroke", median(ours.bytes), median(yjs.bytes), bytes, { of: "figure", most: 12 }),
    row("first connection, median", median(ours.connections), median(yjs.connections), ms, {
      of: "ratio",
      most: 1,
    }),
    row("link opened, to the text, median", median(ours.opened), median(yjs.opened), ms, {
      of: "ratio",
      most: 1,
    }),
    row("keys right after that, p50", ...both("firstKeys", 0.5), ms, { of: "ratio", most: 1 }),
    row("keys right after that, p90", ...both("firstKeys", 0.9), ms, { of: "ratio", most: 1 }),
    row("editor to editor, p50", ...both("editor", 0.5), ms, { of: "figure", most: 5 }),
    row("editor to editor, p99", ...both("editor", 0.99), ms, { of: "figure", most: 20 }),
  ];
  const [cpu] = cpus();
  const missing = traces.filter(({ name }) => results.yjs.joins[name].includes(null));
  const note = missing.length === 0 ? "" : `
y-webrtc does not deliver ${missing.map(({ name }) => name).join(", ")}: it sends a document's state as
one message, and a data channel takes no message of more than 262,144 bytes.
`;
  return `# Links, measured

Two tabs of headless Chromium in separate browser profiles, so
that BroadcastChannel does not connect them, on one machine: \`NetworkSync\`, restricted to WebRTC, compared with yjs
with y-webrtc and the signaling server of its package. Written by \`scripts/bench-links\`; both were measured
in turns in the same run, and every text was compared at the end.

${cpus().length} cores, ${cpu.model.trim()}. Chromium ${versions.chromium}, yjs ${versions.yjs}, y-webrtc ${versions.yWebrtc},
y-codemirror.next ${versions.yCodemirror}; ${new Date().toISOString().slice(0, 10)}.

| | ours | y-webrtc | ratio | aim | |
|---|---|---|---|---|---|
${rows.join("\n")}

A bare channel between two pages takes ${ms(quantile(bare, 0.5))} (p50) and ${ms(quantile(bare, 0.99))} (p99) for a message as short
as a keystroke of ours, sent in the same way: no library can be faster than that. Of the p50, ours takes
${ms(median(ours.sending))} from the call to the channel's \`send\` and ${ms(median(ours.receiving))} from the channel's message to the event;
y-webrtc takes ${ms(median(yjs.sending))} and ${ms(median(yjs.receiving))}. The rest is the browser's for both.
Messages a keystroke: ${count(median(ours.messages))} and ${count(median(yjs.messages))}.

- *Document to document*: ${counts.keys} keystrokes 20 ms apart, ${counts.rounds} times, from the call that
  inserts a character to its event on the other side. The clocks of the two pages are
  compared by 100 pings over a bare data channel.
- *Bytes*: all bytes that the typist's page sends on data
  channels meanwhile, divided by the number of keystrokes.
- *First connection*: ${counts.connections} times, each with new pages: from
  the call that joins a room with one member to having that member's text.
- *Link opened*: as often, from the start of the navigation to having the text, in a page that joins as soon as
  its modules are loaded, from a server on the same machine. The next ${counts.firstKeys} keystrokes, 20 ms apart, are the
  *keys right after that*.
- *Editor to editor*: ${counts.presses} key events, 25 ms apart, ${counts.rounds} times, from the event's
  own time to the character in the DOM of the other page; CodeMirror on both sides, with the other's
  caret shown.

Before the first measurement the pages rest for a second and a half, since Chromium
has work of its own after opening a page. During that time ours runs \`warmUp()\`, which connects two
documents in memory, as its README advises for an idle page; y-webrtc does nothing. A page of *link opened* does not
rest, and runs no warm-up.

## Late joiners

From the opening of the data channel to having the text, median of ${counts.joins}. The bare channel sends as many bytes as our uncompressed
history takes, at most 1 MiB ahead, in messages of 16
KiB; and then as many bytes as our compressed history takes.

| | ours | bare channel, the history | ratio | bare channel, as few bytes | ratio | y-webrtc | aim |
|---|---|---|---|---|---|---|---|
${traces.map((trace) => joins(trace, { results, raw })).join("\n")}
${note}`;
}
