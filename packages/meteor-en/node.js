import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

const read = (name) => readFile(new URL(`./data/${name}`, import.meta.url));

export async function open(name) {
  return new Blob([await read(name)]).stream();
}

export async function unpack(name) {
  const packed = await read(name);
  return promisify(gunzip)(packed, { chunkSize: packed.readUInt32LE(packed.length - 4) + 1 });
}
