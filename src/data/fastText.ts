import { DataError } from '../core/errors';

/** Reads bytes of a file, such as `(range) => store.read(name, range)`. */
export type ReadRange = (range: { start: number; end: number }) => Promise<Uint8Array>;

/** A model of fastText whose vectors are read one by one. */
export type FastText = {
  /** Numbers per word. */
  readonly size: number;
  /** Words of its vocabulary, the most frequent first. */
  readonly words: readonly string[];
  /** The vector of any word: one that is not in the vocabulary has that of its pieces. Nothing where it has no pieces either. */
  vector(word: string): Promise<Float32Array | undefined>;
};

const MAGIC = 793712314;
const VERSION = 12;
const BLOCK = 2 ** 20;

/**
 * Opens a binary model of fastText (`cc.en.300.bin`): its vocabulary is read, its vectors only when they are asked for, so a model of
 * gigabytes takes little memory.
 *
 * @throws DataError where it is cut, compressed (`.ftz`) or no such model
 * @see fastText, `fasttext.cc: loadModel`, `dictionary.cc: load, hash, computeSubwords`; Bojanowski et al. 2017,
 * https://arxiv.org/abs/1607.04606
 */
export async function openFastText(read: ReadRange, fileSize: number): Promise<FastText> {
  const file = reader(read, fileSize);
  const [magic, version] = [await file.int32(), await file.int32()];
  if (magic !== MAGIC || version !== VERSION)
    throw new DataError(
      `This is no binary model of fastText of version ${VERSION} (it begins with ${magic}, ${version}). Its text files (.vec) are read by readGloVe.`,
    );
  const args: number[] = [];
  for (let i = 0; i < 12; i++) args.push(await file.int32());
  const [size, buckets, shortest, longest] = [args[0]!, args[8]!, args[9]!, args[10]!];
  file.skip(8); // the sampling threshold
  const entries = await file.int32();
  const wordCount = await file.int32();
  file.skip(4 + 8); // labels, tokens
  const pruned = await file.int64();
  const words: string[] = [];
  for (let entry = 0; entry < entries; entry++) {
    const word = new TextDecoder().decode(await file.text());
    file.skip(8);
    if ((await file.byte()) === 0) words.push(word);
  }
  if (words.length !== wordCount || size < 1)
    throw new DataError(`The model of fastText says it has ${wordCount} words but holds ${words.length}. Is it whole?`);
  if (pruned > 0 || (await file.byte()) !== 0)
    throw new DataError('This model of fastText is compressed (.ftz). Use the one that is not (.bin).');
  const [rows, columns] = [await file.int64(), await file.int64()];
  const start = file.place();
  if (columns !== size || start + rows * columns * 4 > fileSize)
    throw new DataError(`The model of fastText has ${rows} rows of ${columns} numbers but ends before. Is it whole?`);
  const ids = new Map(words.map((word, id) => [word, id]));
  return {
    size,
    words,
    async vector(word) {
      const own = ids.get(word);
      const pieces =
        longest === 0
          ? []
          : piecesOf(`<${word}>`, shortest, longest).map((piece) => wordCount + (hash(piece) % buckets));
      // The end of a sentence is no word of letters.
      const all = [...(own === undefined ? [] : [own]), ...(word === '</s>' ? [] : pieces)];
      if (all.length === 0) return undefined;
      const sum = new Float64Array(size);
      for (const row of all) {
        const at = start + row * size * 4;
        const values = new Float32Array((await read({ start: at, end: at + size * 4 })).slice().buffer);
        for (let i = 0; i < size; i++) sum[i]! += values[i]!;
      }
      return Float32Array.from(sum, (value) => value / all.length);
    },
  };
}

/** The parts of a word with its brackets, of `shortest` to `longest` letters; a bracket alone is none. */
function piecesOf(word: string, shortest: number, longest: number): string[] {
  const letters = [...word];
  const found: string[] = [];
  for (let from = 0; from < letters.length; from++)
    for (let length = shortest; length <= longest && from + length <= letters.length; length++) {
      const atEdge = from === 0 || from + length === letters.length;
      if (length >= 1 && !(length === 1 && atEdge)) found.push(letters.slice(from, from + length).join(''));
    }
  return found;
}

/** FNV-1a of 32 bits, over bytes that are taken as signed. */
function hash(text: string): number {
  let value = 2166136261;
  for (const byte of new TextEncoder().encode(text)) {
    value ^= (byte << 24) >> 24;
    value = Math.imul(value, 16777619);
  }
  return value >>> 0;
}

/** Little-endian values one after the other, read a block at a time. */
function reader(read: ReadRange, fileSize: number) {
  let block: { start: number; bytes: Uint8Array } = { start: 0, bytes: new Uint8Array(0) };
  let at = 0;
  const take = async (count: number): Promise<DataView> => {
    if (at + count > fileSize) throw new DataError('The model of fastText ends too early. Copy or download it again.');
    if (at < block.start || at + count > block.start + block.bytes.length)
      block = { start: at, bytes: await read({ start: at, end: Math.min(fileSize, at + Math.max(count, BLOCK)) }) };
    const view = new DataView(block.bytes.buffer, block.bytes.byteOffset + at - block.start, count);
    at += count;
    return view;
  };
  return {
    place: () => at,
    skip: (count: number) => {
      at += count;
    },
    byte: async () => (await take(1)).getUint8(0),
    int32: async () => (await take(4)).getInt32(0, true),
    int64: async () => Number((await take(8)).getBigInt64(0, true)),
    /** The bytes up to a zero. */
    async text(): Promise<Uint8Array> {
      const bytes: number[] = [];
      for (let byte = (await take(1)).getUint8(0); byte !== 0; byte = (await take(1)).getUint8(0)) bytes.push(byte);
      return Uint8Array.from(bytes);
    },
  };
}
