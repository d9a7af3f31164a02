import { ScoringError } from '../errors';
import { ParaphraseTable } from './paraphrases';
import { PhraseTrie } from './phraseTrie';

/** The first bytes of the file, its version among them. */
export const PARAPHRASES_MAGIC = 'paraphrases 1\n';

/**
 * Reads the table as scripts/build-meteor-en.ts writes it. All numbers are unsigned LEB128, as differences where they ascend:
 *
 * 1. the magic bytes; bytes of the words; the words in UTF-8, one per line, by code point; how many nodes, lists and entries
 * 2. for every node, in the order of the trie, how many children it has
 * 3. for every node but the root its last word: less that of the sibling before it and 1
 * 4. for every phrase that has paraphrases its node, less that of the one before
 * 5. for every such phrase how many paraphrases it has
 * 6. for every entry the node of the paraphrase: less the one before it in the list and 1
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
  const next = () => {
    let byte = bytes[at++]!;
    let value = byte & 127;
    for (let shift = 7; byte > 127; shift += 7) {
      byte = bytes[at++]!;
      value |= (byte & 127) << shift;
    }
    return value;
  };

  const wordBytes = next();
  const words = new TextDecoder().decode(bytes.subarray(at, at + wordBytes)).split('\n');
  at += wordBytes;
  const [nodes, lists, entries] = [next(), next(), next()];

  const childEnds = new Int32Array(nodes);
  let end = 1;
  for (let node = 0; node < nodes; node++) {
    end += next();
    childEnds[node] = end;
  }

  const lastWords = new Uint16Array(nodes);
  for (let node = 0, child = 1; node < nodes; node++)
    for (let word = -1; child < childEnds[node]!; child++) {
      word += next() + 1;
      lastWords[child] = word;
    }

  const withList = new Int32Array(lists);
  for (let i = 0, node = 0; i < lists; i++) {
    node += next();
    withList[i] = node;
  }
  const listEnds = new Int32Array(nodes);
  for (let i = 0; i < lists; i++) listEnds[withList[i]!] = next();
  for (let node = 1; node < nodes; node++) listEnds[node]! += listEnds[node - 1]!;

  const paraphrases = new Int32Array(entries);
  for (let i = 0, entry = 0; i < lists; i++)
    for (let node = -1; entry < listEnds[withList[i]!]!; entry++) {
      node += next() + 1;
      paraphrases[entry] = node;
    }
  if (at !== bytes.length)
    throw new ScoringError(
      `METEOR's paraphrases have ${bytes.length} bytes but should have ${at}: the file is damaged. Install @tfjs-captioning/meteor-en again.`,
    );
  return new ParaphraseTable(new PhraseTrie(words, childEnds, lastWords), listEnds, paraphrases);
}
