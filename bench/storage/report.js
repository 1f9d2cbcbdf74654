// The benchmark's page in docs/.
import { cpus } from "node:os";

const AIM = 0.5;

function median(numbers) {
  const inOrder = [...numbers].sort((one, other) => one - other);
  return inOrder[Math.floor(inOrder.length / 2)];
}

const ms = (time) => `${time.toFixed(time < 10 ? 2 : 0)} ms`;
const thousands = (number) => number.toLocaleString("en");

/** The parts of the way from the navigation to the text. */
const PARTS = {
  "the page's script runs": ({ loaded }) => loaded,
  "the document is open": ({ loaded, opened }) => opened - loaded,
  "the text is painted": ({ opened, seen }) => seen - opened,
  "**in all**": ({ seen }) => seen,
};

function row(part, time, { ours, network, yjs }) {
  const [our, withNetwork, their] = [ours, network, yjs].map((all) => median(all.map(time)));
  const isWhole = time === PARTS["**in all**"];
  const verdict = our / their <= AIM ? "met" : "**missed**";
  const aim = isWhole ? `≤ ${AIM} of theirs: ${verdict}` : "";
  return `| ${part} | ${ms(our)} | ${ms(withNetwork)} | ${ms(their)} | ${(our / their).toFixed(2)} | ${aim} |`;
}

function table(title, results) {
  const rows = Object.entries(PARTS).map(([part, time]) => row(part, time, results));
  return `## ${title}

| | ours, documents alone | ours, with the network | y-indexeddb | ratio | aim |
|---|---|---|---|---|---|
${rows.join("\n")}
`;
}

export function report({ results, versions, facts }) {
  const [cpu] = cpus();
  return `# Storage, measured

A page opens a text that is stored on the device, and shows it in CodeMirror:
\`crdt-wasm/storage\` compared with yjs with y-indexeddb, in headless Chromium. The browser has just been started, and there is no network: a service
worker has the page, its scripts and the WebAssembly. Written by \`scripts/bench-storage\`; all were measured in
turns in the same run, and every text was compared.

${cpus().length} cores, ${cpu.model.trim()}. Chromium ${versions.chromium}, yjs ${versions.yjs}, y-indexeddb ${versions.yIndexeddb};
${new Date().toISOString().slice(0, 10)}. Medians of ${facts.openings} openings, in milliseconds since the navigation began.

${table(`Written by hand: ${thousands(facts.length)} characters, ${thousands(facts.events)} events`, results.written)}
${table("The same length, pasted at once", results.pasted)}
- *Ours, documents alone* uses the entry \`crdt-wasm/document\`, which corresponds to
  yjs with y-indexeddb and without a network; *with the network*, the entry \`crdt-wasm\`. The ratio is that of documents alone.
- *Written by hand*: the edits of ${facts.trace}, again and again at the end of the text, in transactions of 1,000 edits.
- The first opening of each is not counted. The files of the profile are in the operating system's cache.
`;
}
