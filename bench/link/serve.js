// Serves the benchmark's pages. They are isolated from other origins, since Chromium's clock is
// coarser in pages that are not.
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const TYPES = { ".js": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };

/** A page with a library; with `join`, the arguments of `bench.join`, it joins as soon as it is loaded. */
const library = (name, trace, join) => `<!doctype html><title>${name}</title>
<script src="/watch.js"></script>
<script type="module" src="/dist/${name}.js"></script>
<script type="module">
  await bench.load("/crdt_wasm_bg.wasm");
  const trace = ${JSON.stringify(trace)};
  if (trace !== null) globalThis.patches = await (await fetch("/dist/" + trace + ".json")).json();
  const join = ${JSON.stringify(join)};
  if (join !== null) globalThis.joined = bench.join(...join);
  else bench.idle();
  globalThis.ready = true;
</script>`;
const bare = `<!doctype html><title>raw</title><script type="module" src="/raw.js"></script>`;

/** `here` has the scripts, `dist` what was made of them, and `wasm` is crdt-wasm's WebAssembly. */
export async function serve(here, dist, wasm) {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    const html = (text) => {
      response.setHeader("content-type", "text/html");
      response.end(text);
    };
    if (pathname === "/favicon.ico") {
      response.statusCode = 204;
      response.end();
    } else if (pathname === "/raw") {
      html(bare);
    } else if (pathname === "/ours" || pathname === "/yjs") {
      const join = JSON.parse(searchParams.get("join") ?? "null");
      html(library(pathname.slice(1), searchParams.get("trace"), join));
    } else {
      const name = path.basename(pathname);
      const folder = pathname.startsWith("/dist/") ? dist : here;
      const file = name === path.basename(wasm) ? wasm : path.join(folder, name);
      response.setHeader("content-type", TYPES[path.extname(name)] ?? "text/plain");
      createReadStream(file)
        .on("error", () => {
          response.statusCode = 404;
          response.end();
        })
        .pipe(response);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}
