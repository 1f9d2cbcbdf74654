// Serves files by name, and the package under /crdt-wasm/.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const TYPES = { html: "text/html", js: "text/javascript", wasm: "application/wasm" };
const PACKAGE = new URL("./", import.meta.resolve("crdt-wasm/package.json"));

/** An HTTP server of the files in `folder`, a URL; it listens at the port in the environment, or 8100. */
export async function serve(folder) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const name = pathname === "/" ? "index.html" : pathname.slice(1);
    const file = name.startsWith("crdt-wasm/")
      ? new URL(name.slice("crdt-wasm/".length), PACKAGE)
      : new URL(name, folder);
    try {
      const bytes = await readFile(fileURLToPath(file));
      const type = TYPES[name.split(".").at(-1)] ?? "application/octet-stream";
      response.writeHead(200, { "Content-Type": type }).end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(process.env.PORT ?? 8100, resolve));
  console.log(`http://localhost:${server.address().port}/`);
  return server;
}
