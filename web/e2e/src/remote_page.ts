// Browsers that Playwright does not drive are driven by the protocols of the W3C: WebDriver BiDi (firefox.ts)
// and WebDriver (webkit.ts).

import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** One page of such a browser. */
export interface RemotePage {
  /** Loads the address, and waits until its `load` event. */
  goto(url: string): Promise<void>;
  /** Loads the page again, and waits until its `load` event. */
  reload(): Promise<void>;
  /**
   * Runs a function in the page, which knows nothing but its arguments. Arguments and result are copied by JSON;
   * an exception in the page is an exception here.
   */
  evaluate<A extends unknown[], R>(body: (...args: A) => R | Promise<R>, ...args: A): Promise<R>;
  /** Presses and releases keys, in this order. */
  keys(actions: KeyAction[]): Promise<void>;
  /** Closes the page as a person does, without asking whether it may. */
  close(): Promise<void>;
}

/** A step of an input source of the kind `key`, as both protocols have it. */
export interface KeyAction {
  type: "keyDown" | "keyUp";
  /** A grapheme cluster, or a key in the private use area that the standard gives it. */
  value: string;
}

/** The names of keys as in Playwright, and their places in the private use area. */
const KEYS: Record<string, string> = {
  Control: "\uE009",
  End: "\uE010",
};

/** The steps of a key, or of several at once: `Control+z`. */
export function chord(keys: string): KeyAction[] {
  const values = keys.split("+").map((key) => KEYS[key] ?? key);
  return [
    ...values.map((value) => ({ type: "keyDown", value }) as const),
    ...values.reverse().map((value) => ({ type: "keyUp", value }) as const),
  ];
}

/** The steps of the keys for a text. */
export function typing(text: string): KeyAction[] {
  return Array.from(text).flatMap((value) => [
    { type: "keyDown", value },
    { type: "keyUp", value },
  ]);
}

/** The source of a function that takes its arguments, and gives its result, as one string. */
export function byJson(body: (...args: never[]) => unknown): string {
  return `async (json) => JSON.stringify((await (${String(body)})(...JSON.parse(json))) ?? null)`;
}

/** Starts a process, which ends with the tests at the latest. */
export function start(program: string, parameters: string[], options: SpawnOptions): ChildProcess {
  const child = spawn(program, parameters, options);
  process.once("exit", () => child.kill());
  return child;
}

/** What a pattern finds first in the lines that a process writes; the lines after it are read, too. */
export async function lineOf(
  child: ChildProcess,
  output: Readable | null,
  pattern: RegExp,
): Promise<string> {
  const said: string[] = [];
  if (output === null) throw new Error(`${child.spawnfile} has no such output`);
  const lines = createInterface({ input: output });
  return new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      said.push(line);
      const [, found] = pattern.exec(line) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      reject(new Error(`${child.spawnfile} ended with ${code}:\n${said.join("\n")}`));
    });
  });
}

/** Ends a process, and waits until it has ended. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill();
  await ended;
}
