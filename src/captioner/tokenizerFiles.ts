import * as v from 'valibot';
import { PretrainedTokenizer } from '../data/pretrainedTokenizer';
import { WordTokenizer } from '../data/wordTokenizer';
import { readJSON, writeJSON } from '../io/checkpoint';
import type { Store } from '../io/types';

/** What captioners of this library speak with: words, or pieces of words such as `trainBPE` learns. */
export type CaptionTokenizer = WordTokenizer | PretrainedTokenizer;

/** The file that holds its words. */
export const tokenizerFile = (tokenizer: CaptionTokenizer) =>
  tokenizer instanceof WordTokenizer ? 'vocabulary.json' : 'tokenizer.json';

/** Reads `vocabulary.json` or, where there is none, `tokenizer.json` and its configuration. */
export async function readTokenizer(store: Store): Promise<CaptionTokenizer> {
  if ((await store.size('vocabulary.json')) === undefined && (await store.size('tokenizer.json')) !== undefined)
    return PretrainedTokenizer.load(store);
  const vocabulary = await readJSON(store, 'vocabulary.json', v.unknown());
  return WordTokenizer.fromJSON(vocabulary, `vocabulary.json in ${store.location}`);
}

export async function writeTokenizer(store: Store, tokenizer: CaptionTokenizer): Promise<void> {
  if (tokenizer instanceof WordTokenizer) await writeJSON(store, 'vocabulary.json', tokenizer.toJSON());
  else for (const [name, content] of Object.entries(tokenizer.toJSON())) await writeJSON(store, name, content);
}
