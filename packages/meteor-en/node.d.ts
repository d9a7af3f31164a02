export { open } from './index.js';
/** The bytes of one of the package's files, such as `paraphrases.bin.gz`, unpacked. */
export function unpack(name: string): Promise<Uint8Array>;
