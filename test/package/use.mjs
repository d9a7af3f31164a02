// Run by scripts/check-package.ts in a project that has installed the package: every entry, once, on wasm.
import { AttentionLSTMCaptioner, ConvEncoder, Random, selectBackend, VERSION, WordTokenizer } from 'tfjs-captioning';
import { scoreCaptions } from 'tfjs-captioning/metrics';
import { directory, readImage } from 'tfjs-captioning/node';

const [picture, folder] = process.argv.slice(2);
const { name } = await selectBackend({ prefer: 'wasm' });
const encoder = new ConvEncoder({ type: 'conv', imageSize: 64, channels: [4, 8, 8] }, new Random(1));
const tokenizer = await WordTokenizer.fromCaptions(['a cup on a table'], { minCount: 1 });
const captioner = AttentionLSTMCaptioner.create({
  encoder,
  tokenizer,
  hiddenSize: 8,
  embeddingSize: 8,
  attentionSize: 8,
});
const image = await readImage(picture);
const { logProbs } = await captioner.caption(image);
await captioner.save(directory(folder));
const restored = await AttentionLSTMCaptioner.load(directory(folder));
const again = await restored.caption(image);
const { corpus, omitted } = await scoreCaptions([
  { id: 1, candidate: 'a cup on a table', references: ['a cup on a table'] },
]);
const same = logProbs.every((value, i) => Math.abs(value - again.logProbs[i]) < 1e-5);
console.log(JSON.stringify({ version: VERSION, backend: name, words: logProbs.length, same, corpus, omitted }));
