// The version of the app that this page runs, kept on the device by the service worker.

import { Workbox } from "workbox-window";

/** How often a page that stays open looks for a new version; browsers look whenever a page opens. */
const CHECK_EVERY_MS = 60 * 60 * 1000;

/** The app as this device keeps it. */
export class AppVersion {
  readonly #workbox: Workbox;
  readonly #offer: () => void;
  #registration: ServiceWorkerRegistration | null = null;
  /** Whether this page is about to load the new version. */
  #isTaken = false;

  private constructor(offer: () => void) {
    this.#offer = offer;
    this.#workbox = new Workbox("/worker.js");
    this.#workbox.addEventListener("waiting", offer);
    this.#workbox.addEventListener("controlling", () => {
      // Another tab may have taken the new version. This page goes on with its own.
      if (this.#isTaken) location.reload();
    });
  }

  /**
   * Keeps the app on this device, and calls `offer` when a newer version is there. Returns null where that cannot
   * be done: browsers keep nothing of a page from another machine over plain HTTP.
   */
  static keep(offer: () => void): AppVersion | null {
    if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return null;
    const version = new AppVersion(offer);
    void version.#register();
    return version;
  }

  /** Looks for a newer version now. */
  check(): void {
    // Without a network there is none for now.
    this.#registration?.update().catch(() => {});
  }

  /** Loads the newer version, in this tab. */
  take(): void {
    this.#isTaken = true;
    // Where another tab was faster, none is waiting any more.
    if (this.#registration?.waiting) this.#workbox.messageSkipWaiting();
    else location.reload();
  }

  /** A version whose installation began before the page registered is not reported as an event. */
  #awaitEarlier(installing: ServiceWorker | null): void {
    if (navigator.serviceWorker.controller === null) return;
    installing?.addEventListener("statechange", () => {
      if (installing.state === "installed") this.#offer();
    });
  }

  async #register(): Promise<void> {
    try {
      this.#registration = (await this.#workbox.register()) ?? null;
      this.#awaitEarlier(this.#registration?.installing ?? null);
    } catch (error) {
      // As in private windows, or where the browser's settings forbid it: the app runs all the same.
      console.warn("This device does not keep the app:", error);
      return;
    }
    setInterval(() => this.check(), CHECK_EVERY_MS);
  }
}
