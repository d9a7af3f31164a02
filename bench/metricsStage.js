/*
 * One stage of the built package on the captions that bench/metrics.bench.ts wrote: node metricsStage.js STAGE FOLDER
 * Stages and output are those of metrics_reference.py.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bleu, cider, loadMeteorData, meteor, rougeL, scoreCaptions, tokenizeLine } from '../dist/metrics.js';

const [, , stage, folder] = process.argv;
const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));

const METRICS = {
  BLEU: async () => bleu(),
  METEOR: async () => meteor({ data: await loadMeteorData() }),
  'ROUGE-L': async () => rougeL(),
  CIDEr: async () => cider(),
};

async function scoresOf(stage) {
  if (stage === 'whole') return (await scoreCaptions(read('captions.json'))).corpus;
  if (stage === 'tokenizer') {
    const items = read('captions.json');
    const tokens = items.map(({ candidate, references }, i) => ({
      candidate: tokenizeLine(candidate, items[i + 1]?.candidate).join(' '),
      references: references.map((reference, j) =>
        tokenizeLine(reference, references[j + 1] ?? items[i + 1]?.references[0]).join(' '),
      ),
    }));
    writeFileSync(join(folder, 'tokens.ours.json'), JSON.stringify(tokens));
    return {};
  }
  const metric = await METRICS[stage]();
  const words = (text) => (text === '' ? [] : text.split(' '));
  for (const { candidate, references } of read('tokens.json')) metric.update(words(candidate), references.map(words));
  return metric.compute().corpus;
}

const scores = await scoresOf(stage);
console.log(JSON.stringify({ scores, peakKibibytes: process.resourceUsage().maxRSS }));
