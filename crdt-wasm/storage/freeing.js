// What happens to a document before its caller frees it.

/** Calls once before a document is freed, and does nothing else to that. Returns what takes the call away. */
export function beforeFree(document, call) {
  const names = ["free", Symbol.dispose].filter((name) => name !== undefined && name in document);
  const undo = names.map((name) => {
    const before = Object.getOwnPropertyDescriptor(document, name);
    const free = document[name];
    const value = () => {
      call();
      free.call(document);
    };
    Object.defineProperty(document, name, { value, configurable: true, writable: true });
    return () => {
      // Somebody else may have put another function there.
      if (document[name] !== value) return;
      if (before === undefined) delete document[name];
      else Object.defineProperty(document, name, before);
    };
  });
  return () => {
    for (const one of undo) one();
  };
}
