// The declarations of crdt-wasm/storage/node.
import type { DocumentStorage } from "crdt-wasm/storage";

/**
 * Documents in a folder of files, for Node. What is stored is on the disk (fsync), and whole at any moment:
 * a file is replaced as a whole or not at all. Several programs may have one document open: nothing of either is
 * lost, and each sees what the others stored when it opens the document the next time, or at `compact()`.
 *
 * ```js
 * const stored = await openStored("garden", { storage: fileStorage("/var/lib/notes") });
 * ```
 */
export function fileStorage(folder: string): DocumentStorage;
