// The service worker: keeps the app on this device, so that its address opens without a network.
//
// A new version of the app is a new list of files, and so a new worker. It fetches its files beside those of the
// version before, and waits until a page asks for it or until no page is open.

import { clientsClaim } from "workbox-core";
import { createHandlerBoundToURL, precacheAndRoute } from "workbox-precaching";
import { NavigationRoute, registerRoute } from "workbox-routing";

declare const self: ServiceWorkerGlobalScope;

/** The files of the app. A file without a revision has a hash of its content in its name. */
declare const FILES: { url: string; revision: string | null }[];

// What workbox-window's `messageSkipWaiting` sends.
self.addEventListener("message", ({ data }: ExtendableMessageEvent) => {
  if ((data as { type?: unknown } | null)?.type === "SKIP_WAITING") void self.skipWaiting();
});

// Without this the first page of a visitor would not learn of a new version.
clientsClaim();
precacheAndRoute(FILES);
// The query and the fragment identify the room. Other paths belong to the server.
registerRoute(new NavigationRoute(createHandlerBoundToURL("/index.html"), { allowlist: [/^\/(\?|$)/] }));
