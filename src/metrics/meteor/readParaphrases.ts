import { ScoringError } from '../errors';
import { ParaphraseTable } from './paraphrases';
import { PhraseTrie } from './phraseTrie';

/** The first bytes of the file, its version among them. */
export const PARAPHRASES_MAGIC = 'paraphrases 2\n';

/**
 * Reads the table as scripts/build-meteor-en.ts writes it. Numbers are unsigned LEB128 where nothing else is said, and
 * differences where they ascend:
 *
 * 1. the magic bytes; bytes of the words; the words in UTF-8, one per line, by code point; how many nodes and lists
 * 2. for every node, in the order of the trie, how many children it has
 * 3. for every phrase that has paraphrases its node, less that of the one before
 * 4. for every such phrase how many bytes its paraphrases take
 * 5. for every node its last word, two bytes with the lower one first; 0 for the root
 * 6. the nodes of paraphrases, each less the one before it in its list and 1; they stay packed until they are asked for
 *
 * @throws ScoringError where it is another file, or one of another version
 */
export function readParaphrases(bytes: Uint8Array): ParaphraseTable {
  const magic = new TextDecoder().decode(bytes.subarray(0, PARAPHRASES_MAGIC.length));
  if (magic !== PARAPHRASES_MAGIC)
    throw new ScoringError(
      `METEOR's paraphrases begin with ${JSON.stringify(magic)} but should begin with ${JSON.stringify(PARAPHRASES_MAGIC)}. The data is of another version than this package; install the @tfjs-captioning/meteor-en that goes with it.`,
    );
  let at = PARAPHRASES_MAGIC.length;
  const next = (count: number) => {
    const { numbers, end } = readNumbers(bytes, at, count);
    at = end;
    return numbers;
  };

  const [wordBytes] = next(1);
  const words = new TextDecoder().decode(bytes.subarray(at, at + wordBytes!)).split('\n');
  at += wordBytes!;
  const [nodes, lists] = next(2) as unknown as [number, number];

  const childEnds = next(nodes);
  childEnds[0]! += 1;
  addUp(childEnds);

  const listNodes = next(lists);
  addUp(listNodes);
  const listOf = new Int32Array(nodes);
  for (let list = 0; list < lists; list++) listOf[listNodes[list]!] = list + 1;
  const listEnds = next(lists);
  addUp(listEnds);

  const start = bytes.byteOffset + at;
  const lastWords = new Uint16Array(bytes.buffer.slice(start, start + 2 * nodes)); // the machine's order of bytes is the file's
  const packed = bytes.subarray(at + 2 * nodes);
  if (packed.length !== listEnds[lists - 1])
    throw new ScoringError(
      `METEOR's paraphrases have ${bytes.length} bytes but should have ${bytes.length - packed.length + listEnds[lists - 1]!}: the file is damaged. Install @tfjs-captioning/meteor-en again.`,
    );
  return new ParaphraseTable(new PhraseTrie(words, childEnds, lastWords), listOf, listEnds, packed);
}

/** So many numbers from a place on, and where they end. */
function readNumbers(bytes: Uint8Array, start: number, count: number): { numbers: Int32Array; end: number } {
  const numbers = new Int32Array(count);
  let at = start;
  for (let i = 0; i < count; i++) {
    let byte = bytes[at++]!;
    let value = byte & 127;
    for (let shift = 7; byte > 127; shift += 7) {
      byte = bytes[at++]!;
      value |= (byte & 127) << shift;
    }
    numbers[i] = value;
  }
  return { numbers, end: at };
}

/** Turns each number into the sum of all up to it. */
function addUp(numbers: Int32Array): void {
  let sum = 0;
  for (let i = 0; i < numbers.length; i++) {
    sum += numbers[i]!;
    numbers[i] = sum;
  }
}
