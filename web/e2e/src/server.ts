import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** The real server, as a process of its own on a free port. */
export class Server {
  readonly url: string;
  /** The flags that it was started with, but for where it listens. */
  readonly flags: readonly string[];
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, url: string, flags: readonly string[]) {
    this.#process = process;
    this.url = url;
    this.flags = flags;
  }

  /** Starts it; on a free port, unless one is given, and with these flags. */
  static async start(port = 0, ...flags: string[]): Promise<Server> {
    const binary = process.env["SIGNALING_SERVER"];
    if (!binary) throw new Error("SIGNALING_SERVER names no binary: run scripts/e2e");
    const child = spawn(binary, ["--host", "127.0.0.1", "--port", String(port), ...flags], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, NO_COLOR: "1", RUST_LOG: "info" },
    });
    // The lines are read to the end, so that the server never waits for its log.
    const lines = createInterface({ input: child.stderr });
    const said: string[] = [];
    const url = await new Promise<string>((resolve, reject) => {
      lines.on("line", (line) => {
        said.push(line);
        const [, address] = /listening on (http:\/\/\S+)/.exec(line) ?? [];
        if (address) resolve(address);
      });
      child.on("error", reject);
      child.on("exit", (code) => {
        reject(new Error(`the server ended with ${code}:\n${said.join("\n")}`));
      });
    });
    return new Server(child, url, flags);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Ends it as an operator would; how it ended is returned. */
  async stop(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  /** Ends it as a failing machine would. */
  async crash(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#process.exitCode !== null) return this.#process.exitCode;
    const ended = once(this.#process, "exit");
    this.#process.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }
}
