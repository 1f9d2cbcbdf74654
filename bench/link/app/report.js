// The page in docs/ about the app.
import { cpus } from "node:os";
import { median, quantile } from "../report.js";

const ms = (time) => `${time.toFixed(time < 10 ? 1 : 0)} ms`;
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;

function row(what, ours, theirs, show) {
  return `| ${what} | ${show(ours)} | ${show(theirs)} | ${(ours / theirs).toFixed(2)} |`;
}

function openingRows({ network, size, times }) {
  const of = (key) => ["app", "yjs"].map((name) => median(times[name].map((one) => one[key])));
  const where = `${network}, ${size}`;
  const rows = [row(`${where}: one can type`, ...of("typeable"), ms)];
  if (size !== "empty") rows.push(row(`${where}: the text is shown`, ...of("shown"), ms));
  return rows;
}

function keyRows({ size, alone, paints }) {
  const where = alone ? `${size}, nobody else in the room` : size;
  return [0.5, 0.9].map((part) => {
    const [ours, theirs] = ["app", "yjs"].map((name) => quantile(paints[name], part));
    return row(`${where}: p${part * 100}`, ours, theirs, ms);
  });
}

export function report({ openings, keys, versions, counts, gap }) {
  const [cpu] = cpus();
  const header = "| | app | Yjs page | ratio |\n|---|---|---|---|";
  const bytes = (key) =>
    ["app", "yjs"].map((name) => median(openings[0].times[name].map((one) => one[key])));
  return `# The app, measured

The app beside a page with an editor on a document of Yjs, as the examples of y-codemirror.next and y-webrtc make it:
CodeMirror without search, Markdown colours, history, storage on the device or a list of people. Headless Chromium on one
machine, every page in a browser profile of its own. Written by \`scripts/bench-app\`; both were measured in turns in the
same run.

${cpus().length} cores, ${cpu.model.trim()}. Chromium ${versions.chromium}, yjs ${versions.yjs}, y-webrtc ${versions.yWebrtc},
y-codemirror.next ${versions.yCodemirror}; ${new Date().toISOString().slice(0, 10)}.

## Transferred bytes

Headers included, compressed by brotli, with nothing in the browser's cache. What the app's service worker keeps for
visits without a network is not counted. Requests that began before one can type are counted in full.

${header}
${row("before one can type", ...bytes("bytesToType"), kilobytes)}
${row("in all, until the network is idle", ...bytes("bytes"), kilobytes)}

## Opening a link

From the start of the navigation, with nothing in the cache, while somebody with the text is in the room: median
of ${counts.openings}. One can type when the editor takes keys; the text is shown when its first line is in the DOM. Fast 3G is as
the developer tools simulate it: 562.5 ms for each request, and 180 KB a second.

${header}
${openings.flatMap(openingRows).join("\n")}

## From a key to the frame that shows it

${counts.keys} keys at the end of the text, ${gap} ms apart, ${counts.rounds} times: from the key event's own time to the end of the frame
after it. Frames are 16.7 ms apart, which is most of it. One other page is in the room, which has the text, too; y-webrtc
cannot deliver a text of 1 MB, so there both write alone.

${header}
${keys.flatMap(keyRows).join("\n")}
`;
}
