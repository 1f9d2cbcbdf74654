// What the benchmarks that run in Chromium share.

const started = performance.now();

/** Prints a line of progress, with the time since the start. */
export function say(text) {
  const seconds = Math.floor((performance.now() - started) / 1000);
  console.log(`[${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}] ${text}`);
}

/**
 * A plugin of esbuild that takes CodeMirror from `folder`. The bindings' source would find a CodeMirror of their
 * own, and two do not go together.
 */
export function oneCodeMirror(folder) {
  const plugin = {
    name: "one CodeMirror",
    setup(bundle) {
      bundle.onResolve({ filter: /^@codemirror\// }, ({ path: name, pluginData }) =>
        pluginData === plugin
          ? undefined
          : bundle.resolve(name, { resolveDir: folder, kind: "import-statement", pluginData: plugin }),
      );
    },
  };
  return plugin;
}
