/*
 * Builds packages/meteor-en/data out of an installed pycocoevalcap 1.2, and proves that nothing is lost: what was written is
 * read back by the library's own reader, and every entry, word and synset is compared with the source, in its order.
 *
 *   python3 -m venv venv && venv/bin/pip install pycocoevalcap==1.2
 *   npx tsx scripts/build-meteor-en.ts venv/lib/python3.11/site-packages/pycocoevalcap
 *
 * With --check nothing is written and the data that is there is proved. Takes a minute or two, 4 GB of memory and the program
 * unzip.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { constants, crc32, deflateRawSync, gunzipSync, gzipSync } from 'node:zlib';
import type { ParaphraseTable } from '../src/metrics/meteor/paraphrases';
import { PARAPHRASES_MAGIC, readParaphrases } from '../src/metrics/meteor/readParaphrases';

const { values, positionals } = parseArgs({ options: { check: { type: 'boolean' } }, allowPositionals: true });
const [source] = positionals;
if (source === undefined) {
  console.error('Usage: npx tsx scripts/build-meteor-en.ts [--check] FOLDER_OF_PYCOCOEVALCAP');
  process.exit(2);
}

const target = join(import.meta.dirname, '../packages/meteor-en/data');
const member = (path: string) =>
  execFileSync('unzip', ['-p', join(source, 'meteor/meteor-1.5.jar'), path], { maxBuffer: 1e8 });
/** Our name, and what the jar calls it. They are kept as they are. */
const TEXTS = {
  'synsets.txt.gz': 'synonym/english.synsets',
  'exceptions.txt.gz': 'synonym/english.exceptions',
  'function-words.txt.gz': 'function/english.words',
};
const PARAPHRASES = 'paraphrases.bin.gz';

type Entry = [phrase: string, paraphrase: string];

const entries = readEntries(join(source, 'meteor/data/paraphrase-en.gz'));
if (!values.check) {
  for (const [name, path] of Object.entries(TEXTS)) write(name, gzipSync(member(path), { level: 9, memLevel: 9 }));
  const { ordered, scattered } = encode(entries);
  write(PARAPHRASES, gzipHalf(ordered, scattered));
}
prove();

function write(name: string, packed: Uint8Array): void {
  writeFileSync(join(target, name), packed);
  console.log(`${name}: ${gunzipSync(packed).length} bytes, ${packed.length} packed`);
}

/**
 * One gzip file (RFC 1952) of both, of which only the first is compressed: the second would hardly shrink, and to unpack it
 * would take most of the time.
 */
function gzipHalf(compressed: Uint8Array, stored: Uint8Array): Uint8Array {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(stored, crc32(compressed)), 0);
  trailer.writeUInt32LE(compressed.length + stored.length, 4);
  return Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]), // deflate, no name, no time, slowest, unknown system
    deflateRawSync(compressed, { level: 9, memLevel: 9, finishFlush: constants.Z_SYNC_FLUSH }),
    deflateRawSync(stored, { level: 0 }),
    trailer,
  ]);
}

/** The file holds three lines per entry: a probability, which METEOR 1.5 skips and so do we, the phrase and its paraphrase. */
function readEntries(path: string): Entry[] {
  const bytes = gunzipSync(readFileSync(path));
  const entries: Entry[] = [];
  let phrase = '';
  for (let start = 0, line = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(10, start);
    if (line % 3 === 1) phrase = bytes.toString('utf8', start, end);
    else if (line % 3 === 2) entries.push([phrase, bytes.toString('utf8', start, end)]);
    start = end + 1;
  }
  return entries;
}

type Node = { children: Map<number, Node>; number: number; paraphrases: Node[] };

/** The form that `readParaphrases` describes, its last two parts by themselves. */
function encode(entries: readonly Entry[]): { ordered: Uint8Array; scattered: Uint8Array } {
  const words = [...new Set(entries.flat().flatMap((phrase) => phrase.split(' ')))].sort(byCodePoints);
  const numbers = new Map(words.map((word, number) => [word, number]));
  const node = (): Node => ({ children: new Map(), number: 0, paraphrases: [] });
  const root = node();
  const find = (phrase: string) =>
    phrase.split(' ').reduce((parent, word) => {
      const number = numbers.get(word)!;
      const child = parent.children.get(number) ?? node();
      parent.children.set(number, child);
      return child;
    }, root);
  for (const [phrase, paraphrase] of entries) find(phrase).paraphrases.push(find(paraphrase));

  const childCounts: number[] = [];
  const lastWords = [0];
  const nodes = [root];
  for (const parent of nodes) {
    const children = [...parent.children].sort(([a], [b]) => a - b);
    childCounts.push(children.length);
    for (const [word, child] of children) {
      lastWords.push(word);
      child.number = nodes.push(child) - 1;
    }
  }
  const phrases = nodes.filter(({ paraphrases }) => paraphrases.length > 0);
  const listNodes = phrases.map(({ number }, i) => number - (phrases[i - 1]?.number ?? 0));
  const lists = phrases.map(({ paraphrases }) =>
    leb128(differences(paraphrases.map(({ number }) => number).sort((a, b) => a - b))),
  );
  const text = Buffer.from(words.join('\n'));
  const ordered = Buffer.concat([
    Buffer.from(PARAPHRASES_MAGIC),
    ...[leb128([text.length]), text, leb128([nodes.length, phrases.length])],
    ...[childCounts, listNodes, lists.map(({ length }) => length)].map(leb128),
  ]);
  return { ordered, scattered: Buffer.concat([twoBytes(lastWords), ...lists]) };
}

function byCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Of ascending numbers, each less the one before it and 1. */
function differences(ascending: readonly number[]): number[] {
  return ascending.map((value, i) => value - (ascending[i - 1] ?? -1) - 1);
}

function leb128(numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.length * 5);
  let at = 0;
  for (let value of numbers) {
    for (; value > 127; value >>>= 7) bytes[at++] = (value & 127) | 128;
    bytes[at++] = value;
  }
  return bytes.slice(0, at);
}

/** The lower byte first. */
function twoBytes(numbers: readonly number[]): Uint8Array {
  return Uint8Array.from(numbers.flatMap((value) => [value & 255, value >> 8]));
}

/** Every entry of the table as its phrases, in the order of the source: by the words of the phrase, then of the paraphrase. */
function* entriesOf(table: ParaphraseTable): Generator<Entry> {
  const { trie } = table;
  const phrases: string[] = [''];
  for (let node = 0, child = 1; node < trie.childEnds.length; node++)
    for (; child < trie.childEnds[node]!; child++)
      phrases.push(`${node === 0 ? '' : `${phrases[node]} `}${trie.words[trie.lastWords[child]!]}`);
  /** Depth first. */
  function* visit(node: number): Generator<number> {
    yield node;
    for (let child = node === 0 ? 1 : trie.childEnds[node - 1]!; child < trie.childEnds[node]!; child++)
      yield* visit(child);
  }
  const rank = new Int32Array(phrases.length);
  const order = [...visit(0)];
  for (const [i, node] of order.entries()) rank[node] = i;
  for (const node of order) {
    for (const other of [...table.paraphrasesOf(node)].sort((a, b) => rank[a]! - rank[b]!))
      yield [phrases[node]!, phrases[other]!];
  }
}

function prove(): void {
  const unpacked = (name: string) => gunzipSync(readFileSync(join(target, name)));
  for (const [name, path] of Object.entries(TEXTS))
    if (!unpacked(name).equals(member(path))) throw new Error(`${name} differs from ${path}.`);
  let count = 0;
  for (const [phrase, paraphrase] of entriesOf(readParaphrases(unpacked(PARAPHRASES)))) {
    const expected = entries[count++];
    if (expected?.[0] !== phrase || expected[1] !== paraphrase)
      throw new Error(`Entry ${count} is ${phrase} -> ${paraphrase} but should be ${expected?.join(' -> ')}.`);
  }
  if (count !== entries.length) throw new Error(`There are ${count} entries but should be ${entries.length}.`);
  console.log(
    `${count} paraphrases and the words and synsets of ${Object.keys(TEXTS).length} files are the source's, in its order.`,
  );
}
