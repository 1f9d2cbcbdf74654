// A program that writes into a stored document until it is killed, and says what it stored:
// node storage_writer.mjs FOLDER FIRST-NUMBER
import { fileStorage, open } from './storages.mjs';

const [folder, first] = process.argv.slice(2);
const stored = await open('garden', { storage: fileStorage(folder) });
const { document } = stored;
console.log('open');
for (let number = Number(first); ; number += 1) {
  document.insert(document.length, `${number} `);
  if (number % 7 === 0) await stored.compact();
  else await stored.flush();
  console.log(number);
}
