/*
 * A captioner without its rarest words, to make it smaller.
 *
 *   npx tsx scripts/trim-vocabulary.ts --model runs/cider --words 2440 --output models/flickr8k
 *
 * The vocabulary is in the order of frequency, so its first words are kept: their rows of the word embedding and of the output layer.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { AttentionLSTMCaptioner } from '../src/attentionLSTMCaptioner';
import { WordTokenizer } from '../src/data/wordTokenizer';
import { directory } from '../src/node/directory';

const { values } = parseArgs({
  options: { model: { type: 'string' }, words: { type: 'string' }, output: { type: 'string' } },
});
const { model, output } = values;
const words = Number(values.words);
if (!model || !output)
  throw new Error('Give a captioner with --model, and a folder for the smaller one with --output.');
await tf.setBackend('cpu');
const whole = await AttentionLSTMCaptioner.load(directory(model));
const { tokenizer, encoder, generation, dropout } = whole;
if (!(tokenizer instanceof WordTokenizer) || !(words > 4 && words < tokenizer.vocabSize))
  throw new Error(
    `--words should be fewer than the ${tokenizer.vocabSize} words of ${model}, which should be whole words.`,
  );
const { vocabulary } = tokenizer;
const { attention, ...sizes } = whole.decoder.config;
if (attention)
  throw new Error(`${model} has another attention than the default, which this script does not make again.`);
const smaller = AttentionLSTMCaptioner.create({
  ...sizes,
  ...{ encoder, generation, dropout },
  tokenizer: new WordTokenizer({ ...vocabulary, words: vocabulary.words.slice(0, words) }),
});
const all = whole.parameters();
for (const [name, parameter] of smaller.parameters()) {
  if (name.startsWith('encoder.')) continue; // it is the same one
  const kept = tf.slice(all.get(name)!, Array(parameter.rank).fill(0), parameter.shape);
  parameter.assign(kept);
  kept.dispose();
}
await smaller.save(directory(output), { dtype: 'F16', generation });
await copyFile(join(model, 'README.md'), join(output, 'README.md'));
