import { readFile } from 'node:fs/promises';

export async function open(name) {
  return new Blob([await readFile(new URL(`./data/${name}`, import.meta.url))]).stream();
}
