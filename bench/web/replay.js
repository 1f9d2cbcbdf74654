// The local replay of a trace through a library's JavaScript API. Runs in Node and in the browser.

/** How long it is repeated, beyond the first time, and when the first time is given up. */
const PATIENCE_MS = 3000;
const CUT_OFF_MS = 15000;
const REPETITIONS = 30;

/**
 * The least time of a replay in milliseconds.
 *
 * @param load what `subjects/*.js` export
 * @param wasm the bytes of the library's WebAssembly
 * @param trace `{ patches: [pos, deleted, inserted][], text }`
 * @returns `{ ms }`, or `{ cut_off: seconds }`, or `{ failed: why }`
 */
export async function replay(load, wasm, trace) {
  try {
    const create = await load(wasm);
    const started = performance.now();
    let best = Infinity;
    for (let i = 0; i < REPETITIONS; i++) {
      const took = once(create, trace);
      if (took === null) return { cut_off: CUT_OFF_MS / 1000 };
      best = Math.min(best, took);
      if (performance.now() - started > PATIENCE_MS) break;
    }
    return { ms: best };
  } catch (error) {
    return { failed: String(error).split("\n")[0] };
  }
}

function once(create, { patches, text }) {
  const doc = create();
  const started = performance.now();
  for (let i = 0; i < patches.length; i++) {
    const [pos, deleted, inserted] = patches[i];
    if (deleted > 0) doc.remove(pos, deleted);
    if (inserted !== "") doc.insert(pos, inserted);
    if (i % 1000 === 0 && performance.now() - started > CUT_OFF_MS) {
      doc.free();
      return null;
    }
  }
  const took = performance.now() - started;
  const same = doc.text() === text;
  doc.free();
  if (!same) throw new Error("another text");
  return took;
}
