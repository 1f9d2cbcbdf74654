// A program whose storage never answers. It says what `openStored` found, and whether a timer keeps it
// running after that, while the storage is asked again.
import { MemoryStorage, open } from './storages.mjs';

const silent = new MemoryStorage().program();
silent.kill();
const stored = await open('garden', { storage: silent.storage });
console.log(stored.status.problem.code);
await new Promise((resolve) => setTimeout(resolve, 2_000));
console.log(`ends: ${!process.getActiveResourcesInfo().includes('Timeout')}`);
