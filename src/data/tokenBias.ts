import type { Tokenizer } from './tokenizer';

/**
 * The natural logarithm of how often each token comes in captions, [vocabSize]: an output layer that begins with this bias
 * (`create({ outputBias })`) knows from the first step which words are frequent. Every token counts once more than it occurs, and
 * every caption has one end token.
 */
export async function tokenBias(
  tokenizer: Tokenizer,
  captions: Iterable<string> | AsyncIterable<string>,
): Promise<Float32Array> {
  const counts = new Float64Array(tokenizer.vocabSize).fill(1);
  for await (const caption of captions)
    for (const token of [...tokenizer.encode(caption), tokenizer.endId]) counts[token]! += 1;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return Float32Array.from(counts, (count) => Math.log(count / total));
}
