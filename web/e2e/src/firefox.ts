import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { byJson, end, type KeyAction, lineOf, type RemotePage, start } from "./remote_page.js";

const FIREFOX = process.env["FIREFOX"] ?? "firefox-esr";

/** Peers meet on this machine, by addresses that need no multicast DNS. */
const SETTINGS = {
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "intl.accept_languages": "en-US",
};

/** What the browser answers to a command, or reports by itself. */
interface Message {
  id?: number;
  type: "success" | "error" | "event";
  method?: string;
  result?: unknown;
  error?: string;
  message?: string;
  params?: unknown;
}

/** A log entry that the browser reports. */
interface LogEntry {
  level: string;
  text: string;
}

/** A Firefox without windows, driven over WebDriver BiDi. */
export class Firefox {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #commands = 0;
  /** What the pages complained of: errors nobody caught, and what they wrote to the console as one. */
  readonly complaints: string[] = [];

  private constructor(process: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process;
    this.#profile = profile;
    this.#socket = socket;
    socket.on("message", (data) => this.#hear(JSON.parse(String(data)) as Message));
    socket.on("close", () => {
      for (const settle of this.#waiting.values()) settle({ type: "error", error: "Firefox ended" });
      this.#waiting.clear();
    });
  }

  static async launch(): Promise<Firefox> {
    const profile = await mkdtemp(join(tmpdir(), "firefox-"));
    const lines = Object.entries(SETTINGS).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    await writeFile(join(profile, "user.js"), lines.join(""));
    const child = start(
      FIREFOX,
      ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    const address = await lineOf(child, child.stderr, /WebDriver BiDi listening on (ws:\/\/\S+)/);
    const socket = new WebSocket(`${address}/session`);
    await once(socket, "open");
    const firefox = new Firefox(child, profile, socket);
    await firefox.send("session.new", { capabilities: {} });
    await firefox.send("session.subscribe", { events: ["log.entryAdded"] });
    return firefox;
  }

  /** A new tab. */
  async newPage(): Promise<RemotePage> {
    const created = await this.send("browsingContext.create", { type: "tab" });
    return new FirefoxPage(this, (created as { context: string }).context);
  }

  async close(): Promise<void> {
    this.#socket.close();
    await end(this.#process);
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }

  /** Carries out a command of WebDriver BiDi. */
  async send(method: string, params: object): Promise<unknown> {
    if (this.#socket.readyState !== WebSocket.OPEN) throw new Error(`${method}: Firefox has ended`);
    this.#commands += 1;
    const id = this.#commands;
    const answer = await new Promise<Message>((settle) => {
      this.#waiting.set(id, settle);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
    if (answer.type !== "success") {
      throw new Error(`${method}: ${answer.error ?? ""} ${answer.message ?? ""}`);
    }
    return answer.result;
  }

  #hear(message: Message): void {
    if (message.method === "log.entryAdded") {
      const { level, text } = message.params as LogEntry;
      if (level === "error") this.complaints.push(text);
    }
    if (message.id === undefined) return;
    this.#waiting.get(message.id)?.(message);
    this.#waiting.delete(message.id);
  }
}

/** What a script in a page came to. */
type ScriptResult =
  | { type: "success"; result: { value: string } }
  | { type: "exception"; exceptionDetails: { text: string } };

class FirefoxPage implements RemotePage {
  readonly #firefox: Firefox;
  readonly #context: string;

  constructor(firefox: Firefox, context: string) {
    this.#firefox = firefox;
    this.#context = context;
  }

  async goto(url: string): Promise<void> {
    await this.#send("browsingContext.navigate", { url, wait: "complete" });
  }

  async reload(): Promise<void> {
    await this.#send("browsingContext.reload", { wait: "complete" });
  }

  async evaluate<A extends unknown[], R>(
    body: (...args: A) => R | Promise<R>,
    ...args: A
  ): Promise<R> {
    const answer = (await this.#firefox.send("script.callFunction", {
      functionDeclaration: byJson(body),
      arguments: [{ type: "string", value: JSON.stringify(args) }],
      target: { context: this.#context },
      awaitPromise: true,
    })) as ScriptResult;
    if (answer.type === "exception") throw new Error(answer.exceptionDetails.text);
    return JSON.parse(answer.result.value) as R;
  }

  async keys(actions: KeyAction[]): Promise<void> {
    await this.#send("input.performActions", {
      actions: [{ type: "key", id: "keyboard", actions }],
    });
  }

  async close(): Promise<void> {
    await this.#send("browsingContext.close", { promptUnload: false });
  }

  async #send(method: string, params: object): Promise<void> {
    await this.#firefox.send(method, { context: this.#context, ...params });
  }
}
