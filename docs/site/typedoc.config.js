// What scripts/docs gives to TypeDoc.

/** @type {import("typedoc").TypeDocOptions} */
export default {
  name: "crdt-wasm",
  entryPoints: ["entries/**/*.ts"],
  tsconfig: "tsconfig.json",
  readme: "../../crdt-wasm/README.md",
  projectDocuments: ["../guides/*.md"],
  navigationLinks: { "Rust crates": "rust/crdt_core/index.html" },
  excludeExternals: true,
  disableSources: true,
  hideGenerator: true,
  treatWarningsAsErrors: true,
};
