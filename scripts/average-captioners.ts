/*
 * The weighted mean of captioners that were trained from the same one, as a captioner.
 *
 *   npx tsx scripts/average-captioners.ts runs/words=0.5 runs/cider=0.5 --output runs/mean --precision F16
 *
 * Of captioners that learned from one another the weights in between often say more to new pictures than either end (Wortsman et
 * al. 2022, "Robust fine-tuning of zero-shot models"). All else, such as the defaults of the search, is that of the last one.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { AttentionLSTMCaptioner } from '../src/attentionLSTMCaptioner';
import { directory } from '../src/node/directory';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { output: { type: 'string' }, precision: { type: 'string', default: 'F32' } },
});
const { output, precision } = values;
if (positionals.length < 2 || !output || (precision !== 'F32' && precision !== 'F16'))
  throw new Error(
    'Give two folders or more with their weights, such as runs/a=0.5 runs/b=0.5, --output, and --precision F32 or F16.',
  );
await tf.setBackend('cpu');
const parts = await Promise.all(
  positionals.map(async (given) => {
    const [folder, weight] = given.split('=') as [string, string];
    if (!(Number(weight) >= 0)) throw new Error(`'${given}' should be a folder and a weight, such as runs/a=0.5.`);
    return { folder, weight: Number(weight), captioner: await AttentionLSTMCaptioner.load(directory(folder)) };
  }),
);
const total = parts.reduce((sum, { weight }) => sum + weight, 0);
const last = parts.at(-1)!;
for (const [name, parameter] of last.captioner.parameters()) {
  const mean = tf.tidy(() =>
    tf.addN(parts.map(({ captioner, weight }) => tf.mul(captioner.parameters().get(name)!, weight / total))),
  );
  parameter.assign(mean);
  mean.dispose();
}
await last.captioner.save(directory(output), { dtype: precision, generation: last.captioner.generation });
await copyFile(join(last.folder, 'README.md'), join(output, 'README.md'));
