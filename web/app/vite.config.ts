import { fileURLToPath } from "node:url";
import { defaultClientConditions } from "vite";
import { defineConfig } from "vitest/config";
import { pageTexts } from "./build/page_texts.js";
import { serviceWorker } from "./build/service_worker.js";

const repository = fileURLToPath(new URL("../..", import.meta.url));

export default defineConfig({
  plugins: [pageTexts(), serviceWorker()],
  // The bindings are taken as source, so that the app is built in one step.
  resolve: {
    conditions: ["source", ...defaultClientConditions],
    // Vite takes the WebAssembly along as a file: it need not be there as a module, too.
    alias: [{ find: /^crdt-wasm$/, replacement: "crdt-wasm/crdt_wasm.js" }],
  },
  // crdt-wasm is next to this folder.
  server: { fs: { allow: [repository] } },
  build: {
    target: "es2022",
    // One file a page would fetch anyway must stay one: the server's policy has no data: scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    // As for the end-to-end tests: the time says how busy the machine is, and nothing of the code.
    testTimeout: 60_000,
  },
});
