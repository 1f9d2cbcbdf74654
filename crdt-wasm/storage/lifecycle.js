// The life of the page: when it may be about to end, and when it goes on after a rest.

/**
 * Calls `leave` when the page is hidden, after which it may be ended without a word, and `back` when it was
 * frozen and goes on. Where there is no page, neither happens.
 */
export function lifecycle({ leave, back }) {
  const page = globalThis.document;
  if (page?.addEventListener === undefined) return { isHidden: () => false, stop() {} };
  const hidden = () => page.visibilityState === "hidden";
  const listeners = [
    [page, "visibilitychange", () => hidden() && leave()],
    [globalThis, "pagehide", leave],
    [globalThis, "pageshow", (event) => event.persisted && back()],
    [page, "resume", back],
  ];
  for (const [target, event, listener] of listeners) target.addEventListener(event, listener);
  return {
    isHidden: hidden,
    stop() {
      for (const [target, event, listener] of listeners) target.removeEventListener(event, listener);
    },
  };
}

/** Calls when the page has nothing else to do. */
export function whenIdle(call) {
  if (typeof requestIdleCallback === "function") requestIdleCallback(call, { timeout: IDLE_MILLIS });
  else setTimeout(call);
}

/** At the latest after so many milliseconds. */
const IDLE_MILLIS = 2_000;
