import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { PATIENCE_MS } from "./tab.js";

/** The program `crdt-peer` in a room, with a file of its own. */
export class NativePeer {
  readonly file: string;
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #said: string[] = [];

  private constructor(process: ChildProcess, folder: string, file: string) {
    this.#process = process;
    this.#folder = folder;
    this.file = file;
  }

  /** Starts it in a room; `options` go to the program. */
  static async join(link: string, ...options: string[]): Promise<NativePeer> {
    const binary = process.env["CRDT_PEER"];
    if (!binary) throw new Error("CRDT_PEER names no binary: run scripts/e2e");
    const folder = await mkdtemp(join(tmpdir(), "crdt-peer-"));
    const file = join(folder, "notes.txt");
    const child = spawn(binary, ["join", link, "--file", file, ...options], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    const peer = new NativePeer(child, folder, file);
    createInterface({ input: child.stderr }).on("line", (line) => peer.#said.push(line));
    return peer;
  }

  /** What it wrote to its log. */
  get said(): string {
    return this.#said.join("\n");
  }

  /** The text in its file. */
  async text(): Promise<string> {
    return readFile(this.file, "utf8").catch(() => "");
  }

  /** Waits until its file has the text. */
  async has(text: string): Promise<void> {
    await expect.poll(() => this.text(), { timeout: PATIENCE_MS }).toBe(text);
  }

  /** Writes its file, as an editor does. */
  async save(text: string): Promise<void> {
    await writeFile(this.file, text);
  }

  /** Ends it as an operator would; how it ended is returned. */
  async stop(): Promise<number | null> {
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, "exit");
      this.#process.kill("SIGTERM");
      await ended;
    }
    await rm(this.#folder, { recursive: true });
    return this.#process.exitCode;
  }
}
