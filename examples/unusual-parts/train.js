// Parts that are seldom seen together: two encoders side by side, a GRU, adaptive attention. The same text is valid TypeScript.
import {
  AttentionLSTMCaptioner,
  adamW,
  ConvEncoder,
  evaluate,
  greedy,
  loadCaptioner,
  Positioned,
  Random,
  SideBySide,
  selectBackend,
  tokenBias,
  train,
  WordTokenizer,
} from 'tfjs-captioning';
import { directory, loadCaptionData } from 'tfjs-captioning/node';

await selectBackend({ threads: 1 }); // on tensors as small as these, threads wait more than they work
const data = await loadCaptionData('runs/shapes');
const tokenizer = await WordTokenizer.fromCaptions(data.train.captions(), { minCount: 1 });

// One encoder sees 4 x 4 positions and another 2 x 2; both lie on the finer grid, and every position knows where it is.
const fine = new ConvEncoder({ type: 'conv', imageSize: 64, channels: [16, 32, 48, 64] }, new Random(1));
const coarse = new ConvEncoder({ type: 'conv', imageSize: 64, channels: [16, 32, 48, 64, 64] }, new Random(2));
const encoder = new Positioned(new SideBySide([fine, coarse], 'features'), 'coordinates');

const captioner = AttentionLSTMCaptioner.create({
  ...{ encoder, tokenizer, embeddingSize: 32, hiddenSize: 128, attentionSize: 64, dropout: 0, seed: 7 },
  attention: 'adaptive', // looks less at the picture where words follow from words; it comes after the recurrent layer
  cell: 'gru',
  outputBias: await tokenBias(tokenizer, data.train.captions()),
});

const epochs = Number(process.argv[2] ?? 7);
for await (const { epoch, step, totalSteps, crossEntropy } of train(captioner, data.train, {
  ...{ epochs, batchSize: 16, captionsPerImage: 1, doublyStochastic: 0, seed: 7 },
  optimizer: adamW(4e-3),
  fineTune: { fromEpoch: 1, learningRate: 2e-3 },
}))
  if (step % 25 === 0) console.log(`epoch ${epoch}, step ${step} of ${totalSteps}: loss ${crossEntropy.toFixed(3)}`);

const { corpus } = await evaluate(captioner, data.test, { search: greedy(), metrics: ['bleu', 'cider'] });
console.log(corpus);
await captioner.save(directory('runs/unusual'));

const restored = await loadCaptioner(directory('runs/unusual')); // every part is in the checkpoint
const { image } = await data.test.at(0);
const { words, attention } = await restored.caption(await image(), { search: greedy(), attention: true });
for (const [i, word] of words.entries()) {
  const seen = attention?.[i]?.reduce((sum, weight) => sum + weight, 0) ?? 0;
  console.log(`${word.padEnd(10)} ${Math.round(100 * seen)} % from the picture`);
}
