// The servers that the benchmarks start.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

/** A process that is ended with the benchmark; resolves when its output says that it listens. */
export async function launch(command, parameters, environment, listening) {
  const child = spawn(command, parameters, {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  process.on("exit", () => child.kill());
  for (const stream of [child.stdout, child.stderr]) {
    const lines = createInterface({ input: stream });
    lines.on("line", (line) => {
      const found = listening.exec(line);
      if (found) child.emit("listening", found);
    });
  }
  const [found] = await once(child, "listening");
  return { child, found };
}

/** A port that nothing listens on. */
export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}
