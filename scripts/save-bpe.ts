// Learns pieces of words from the captions of a data set and writes the tokenizer, with ids and texts of captions, for
// `python scripts/make_bpe_golden.py --check FOLDER` to compare: npx tsx scripts/save-bpe.ts DATA FOLDER
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeTokenizer } from '../src/captioner/tokenizerFiles';
import { trainBPE } from '../src/data/bpe';
import { loadCaptionData } from '../src/node/captionData';
import { directory } from '../src/node/directory';

const [data, folder] = process.argv.slice(2) as [string, string];
const { train, dev } = await loadCaptionData(data);
const started = performance.now();
const tokenizer = await trainBPE(train.captions(), { vocabSize: 4000 });
console.log(`${tokenizer.vocabSize} tokens in ${((performance.now() - started) / 1000).toFixed(1)} s`);
await writeTokenizer(directory(folder), tokenizer);
const probes: object[] = [];
for await (const text of dev.captions()) {
  const ids = tokenizer.encode(text);
  probes.push({ text, ids, decoded: tokenizer.decode(ids) });
}
await writeFile(join(folder, 'probes.json'), JSON.stringify(probes));
