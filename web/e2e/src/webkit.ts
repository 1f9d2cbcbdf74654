import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import type { Readable } from "node:stream";
import { expect } from "vitest";
import { byJson, end, type KeyAction, lineOf, type RemotePage, start } from "./remote_page.js";
import { PATIENCE_MS } from "./tab.js";

/** Debian's WebKitGTK in its smallest browser, on a display of its own, driven over WebDriver. */
export class WebKit {
  readonly #display: ChildProcess;
  readonly #driver: ChildProcess;
  readonly #session: string;
  /** The window that commands go to, and the end of the last command: there is one at a time. */
  #window: string;
  #last: Promise<unknown> = Promise.resolve();
  /** The window that the browser came with has no page yet. */
  #isFirst = true;

  private constructor(display: ChildProcess, driver: ChildProcess, session: string, window: string) {
    this.#display = display;
    this.#driver = driver;
    this.#session = session;
    this.#window = window;
  }

  static async launch(): Promise<WebKit> {
    const display = start("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1024x24"], {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    });
    const number = await lineOf(display, display.stdio[3] as Readable, /^(\d+)$/);
    const [port, driver] = await startDriver(`:${number}`);
    const address = `http://127.0.0.1:${port}/session`;
    const { sessionId } = (await request("POST", address, {
      capabilities: { alwaysMatch: { browserName: "MiniBrowser" } },
    })) as { sessionId: string };
    const session = `${address}/${sessionId}`;
    return new WebKit(display, driver, session, (await request("GET", `${session}/window`)) as string);
  }

  /** A window with a page; the windows share what they store. */
  async newPage(): Promise<RemotePage> {
    if (this.#isFirst) {
      this.#isFirst = false;
      return new WebKitPage(this, this.#window);
    }
    const opened = await this.send(this.#window, "POST", "window/new", { type: "window" });
    return new WebKitPage(this, (opened as { handle: string }).handle);
  }

  async close(): Promise<void> {
    // The session has ended already where no window is left.
    await request("DELETE", this.#session).catch(() => {});
    await end(this.#driver);
    await end(this.#display);
  }

  /** Carries out a command of WebDriver in a window, after those that were given before. */
  async send(
    window: string,
    method: "POST" | "DELETE",
    command: string,
    body?: object,
  ): Promise<unknown> {
    const sent = this.#last.then(async () => {
      if (window !== this.#window) {
        await request("POST", `${this.#session}/window`, { handle: window });
        this.#window = window;
      }
      return request(method, `${this.#session}/${command}`, body);
    });
    this.#last = sent.catch(() => {});
    return sent;
  }
}

/** Starts the driver, which starts the browser later, on a free port. */
async function startDriver(display: string): Promise<[port: number, driver: ChildProcess]> {
  const port = await freePort();
  const driver = start("WebKitWebDriver", [`--port=${port}`], {
    stdio: "ignore",
    env: {
      ...process.env,
      DISPLAY: display,
      LANG: "C.UTF-8",
      // There is no graphics card, and no service for assistive technology.
      LIBGL_ALWAYS_SOFTWARE: "1",
      WEBKIT_DISABLE_COMPOSITING_MODE: "1",
      NO_AT_BRIDGE: "1",
    },
  });
  let failure: Error | null = null;
  driver.on("error", (error) => (failure = error));
  driver.on("exit", (code) => (failure ??= new Error(`WebKitWebDriver ended with ${code}`)));
  // It does not say when it listens.
  await expect
    .poll(() => failure ?? request("GET", `http://127.0.0.1:${port}/status`), {
      timeout: PATIENCE_MS,
    })
    .toBeTruthy();
  if (failure !== null) throw failure;
  return [port, driver];
}

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** One command of WebDriver. */
async function request(method: string, address: string, body?: object): Promise<unknown> {
  const answer = await fetch(address, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const { value } = (await answer.json()) as { value: { error: string; message: string } | null };
  if (!answer.ok) throw new Error(`${method} ${address}: ${value?.error ?? ""} ${value?.message ?? ""}`);
  return value;
}

class WebKitPage implements RemotePage {
  readonly #webkit: WebKit;
  readonly #window: string;

  constructor(webkit: WebKit, window: string) {
    this.#webkit = webkit;
    this.#window = window;
  }

  async goto(url: string): Promise<void> {
    await this.#webkit.send(this.#window, "POST", "url", { url });
  }

  async reload(): Promise<void> {
    await this.#webkit.send(this.#window, "POST", "refresh", {});
  }

  async evaluate<A extends unknown[], R>(
    body: (...args: A) => R | Promise<R>,
    ...args: A
  ): Promise<R> {
    const json = await this.#webkit.send(this.#window, "POST", "execute/sync", {
      script: `return (${byJson(body)})(arguments[0])`,
      args: [JSON.stringify(args)],
    });
    return JSON.parse(json as string) as R;
  }

  async keys(actions: KeyAction[]): Promise<void> {
    await this.#webkit.send(this.#window, "POST", "actions", {
      actions: [{ type: "key", id: "keyboard", actions }],
    });
  }

  async close(): Promise<void> {
    await this.#webkit.send(this.#window, "DELETE", "window");
  }
}
