// Keeps the page of each subject, as an app that works offline does.
const FILES = ["/ours", "/network", "/yjs", ...["ours", "network", "yjs"].map((name) => `/dist/${name}.js`)];
const WASM = ["/ours/crdt_wasm_bg.wasm", "/network/crdt_wasm_bg.wasm"];

addEventListener("install", (event) => {
  event.waitUntil(caches.open("bench").then((cache) => cache.addAll([...FILES, ...WASM])));
});
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  event.respondWith(
    caches.match(event.request, { ignoreSearch: true }).then((kept) => kept ?? fetch(event.request)),
  );
});
