import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { build, type Plugin, type ResolvedConfig } from "vite";

/** The bundler puts a hash of the content into the names of the files in this folder. */
const HASHED_FOLDER = "assets/";

/**
 * Builds the service worker after the app, with the list of the app's files.
 *
 * The worker is made of the modules of Workbox that run in it. Workbox's own build tools, which would make the
 * list, are 320 packages and take as long to install as all others of the app.
 */
export function serviceWorker(): Plugin {
  let config: ResolvedConfig;
  return {
    name: "service-worker",
    apply: "build",
    configResolved: (resolved) => {
      config = resolved;
    },
    writeBundle: {
      sequential: true,
      order: "post",
      handler: async ({ dir = config.build.outDir }) => {
        await build({
          configFile: false,
          root: config.root,
          logLevel: config.logLevel ?? "warn",
          define: { FILES: JSON.stringify(await filesIn(dir)) },
          build: {
            outDir: dir,
            emptyOutDir: false,
            copyPublicDir: false,
            target: config.build.target,
            rolldownOptions: {
              input: path.join(config.root, "worker/worker.ts"),
              output: { format: "iife", entryFileNames: "worker.js" },
            },
          },
        });
      },
    },
  };
}

/** Every file of a built app, with a revision where its name does not change with its content. */
async function filesIn(folder: string): Promise<{ url: string; revision: string | null }[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile() && !entry.name.startsWith("."));
  const listed = files.map(async (entry) => {
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, file).replaceAll(path.sep, "/");
    const isHashed = name.startsWith(HASHED_FOLDER);
    return { url: `/${name}`, revision: isHashed ? null : await digest(file) };
  });
  return (await Promise.all(listed)).sort((one, other) => (one.url < other.url ? -1 : 1));
}

async function digest(file: string): Promise<string> {
  return createHash("sha256").update(await readFile(file)).digest("hex").slice(0, 32);
}
