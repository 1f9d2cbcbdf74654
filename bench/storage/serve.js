// Serves the benchmark's pages until they are kept in the browser.
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };

const page = (name) => `<!doctype html><meta charset="utf-8"><title>${name}</title><body>
<script type="module" src="/dist/${name}.js"></script>`;

/** `files` has the path of a file for each path of an address, and `pages` the names of the subjects. */
export async function serve(pages, files) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    // Chromium's clock is coarser in pages that are not isolated from other origins.
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    const name = pathname.slice(1);
    const file = files[pathname];
    if (pages.includes(name)) {
      response.setHeader("content-type", "text/html");
      response.end(page(name));
    } else if (file !== undefined) {
      response.setHeader("content-type", TYPES[path.extname(file)]);
      createReadStream(file).pipe(response);
    } else {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}
