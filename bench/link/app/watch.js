// Runs in each page before anything else: when one can type, when the text is shown, and how long it is from each
// key to the frame that shows it. Both pages are watched alike.
globalThis.watched = { typeable: null, shown: null, paints: [] };

{
  const { watched } = globalThis;
  new MutationObserver(() => {
    const content = document.querySelector(".cm-content[contenteditable=true]");
    if (content === null) return;
    watched.typeable ??= performance.now();
    if (content.textContent.includes(globalThis.MARK)) watched.shown ??= performance.now();
  }).observe(document, { childList: true, subtree: true, characterData: true, attributes: true });

  // A message that is sent before a frame is painted comes after it.
  const painted = new MessageChannel();
  painted.port1.onmessage = ({ data }) => watched.paints.push(performance.now() - data);
  addEventListener(
    "keydown",
    // The event's own time is when the browser got the key.
    ({ timeStamp }) => requestAnimationFrame(() => painted.port2.postMessage(timeStamp)),
    { capture: true },
  );
}
