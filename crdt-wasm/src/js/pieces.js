// Long work in pieces, between which the page can do other things.

import { observed } from "./feed.js";
import {
  aFunction,
  aLiveHandle,
  answer,
  badArgument,
  done,
  putBytes,
  report,
  someBytes,
  someOptions,
  tidy,
  wasm,
} from "./memory.js";

/** How long the page waits for a piece, in milliseconds, if it is not the smallest there is. */
const PIECE = 10;

/** Merges a patch; resolves with the report. */
export async function mergeInPieces(handle, bytes, options) {
  const { origin, onProgress, signal } = someOptions(options, ["origin", "onProgress", "signal"]);
  if (onProgress !== undefined) aFunction("onProgress", onProgress);
  if (signal !== undefined && typeof signal?.throwIfAborted !== "function") {
    throw badArgument("signal", "an AbortSignal", signal);
  }
  const patch = someBytes("bytes", bytes);
  signal?.throwIfAborted();
  const merge = done(wasm.crdt_merging_start(aLiveHandle(handle), putBytes(patch, 0)));
  tidy(patch.length);
  const how = { origin, local: false };
  let result = null;
  const step = () => {
    const merged = done(wasm.crdt_merging_step(handle, merge));
    if (merged === MERGED) result = JSON.parse(answer(merged));
    return merged;
  };
  try {
    for (let told = 0; ; ) {
      await otherWork();
      signal?.throwIfAborted();
      const end = performance.now() + PIECE;
      let merged;
      do merged = observed(handle, step, how);
      while (result === null && performance.now() < end);
      told = Math.max(told, merged);
      if (onProgress !== undefined) tell(onProgress, told / MERGED);
      if (result !== null) break;
    }
  } finally {
    wasm.crdt_merging_end(merge);
  }
  const { changes: _, ...counts } = result;
  return counts;
}

/** What a step returns when all is merged. */
const MERGED = 1000;

function tell(listener, progress) {
  try {
    listener(progress);
  } catch (error) {
    report(error);
  }
}

/** Resolves after what else the page has to do; a timer would wait longer, the more so in the background. */
function otherWork() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
