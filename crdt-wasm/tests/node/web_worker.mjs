// The workers of browsers, as far as the guides use them, by threads of Node: `node --import web_worker.mjs PAGE`.
import { Worker as Thread, isMainThread, parentPort } from 'node:worker_threads';

if (isMainThread) {
  globalThis.Worker = class {
    #thread;

    constructor(url) {
      this.#thread = new Thread(url, { execArgv: ['--import', import.meta.url] });
    }

    set onmessage(listener) {
      this.#thread.on('message', (data) => listener({ data }));
    }

    set onerror(listener) {
      this.#thread.on('error', ({ message }) => listener({ message }));
    }

    postMessage(message, transfer) {
      this.#thread.postMessage(message, transfer);
    }

    terminate() {
      this.#thread.terminate();
    }
  };
} else {
  globalThis.postMessage = (message, transfer) => parentPort.postMessage(message, transfer);
  Object.defineProperty(globalThis, 'onmessage', {
    set: (listener) => parentPort.on('message', (data) => listener({ data })),
  });
}
