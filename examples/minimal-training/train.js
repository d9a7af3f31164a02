// A whole training: pictures and captions in, a captioner out. The same text is valid TypeScript.
import {
  AttentionLSTMCaptioner,
  adamW,
  beam,
  ConvEncoder,
  evaluate,
  Random,
  selectBackend,
  train,
  WordTokenizer,
} from 'tfjs-captioning';
import { directory, loadCaptionData, readImage } from 'tfjs-captioning/node';

const { name } = await selectBackend({ threads: 1 }); // on tensors as small as these, threads wait more than they work
console.log(`Backend: ${name}`);

const data = await loadCaptionData('runs/shapes');
const tokenizer = await WordTokenizer.fromCaptions(data.train.captions(), { minCount: 1 });

// Five convolutions, trained from scratch together with the decoder: 64 x 64 pixels become 2 x 2 positions.
const encoder = new ConvEncoder({ type: 'conv', imageSize: 64, channels: [16, 32, 64, 64, 128] }, new Random(7));
const sizes = { embeddingSize: 32, hiddenSize: 128, attentionSize: 64 };
const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes, dropout: 0, seed: 7 });

const steps = train(captioner, data.train, {
  optimizer: adamW(4e-3),
  fineTune: { fromEpoch: 1, learningRate: 2e-3 },
  epochs: 7,
  batchSize: 16,
  captionsPerImage: 1,
  doublyStochastic: 0, // four positions: looking at one of them again and again is right
  seed: 7,
});
for await (const { epoch, step, totalSteps, crossEntropy, lastOfEpoch, snapshot } of steps) {
  if (step % 25 === 0) console.log(`epoch ${epoch}, step ${step} of ${totalSteps}: loss ${crossEntropy.toFixed(3)}`);
  if (lastOfEpoch) await snapshot(directory('runs/captioner')); // with `resume` a killed training goes on from here
}

const search = beam({ beamSize: 3 });
const { corpus } = await evaluate(captioner, data.test, { search, metrics: ['bleu', 'rougeL', 'cider'] });
console.log(corpus);
await captioner.save(directory('runs/captioner'));

const restored = await AttentionLSTMCaptioner.load(directory('runs/captioner'));
for (const place of [0, 1, 2]) {
  const { id, captions } = await data.test.at(place);
  const { text, logProbs } = await restored.caption(await readImage(`runs/shapes/images/${id}`), { search });
  const logProb = logProbs.reduce((sum, value) => sum + value, 0);
  console.log(`${id}: ${text} (log-probability ${logProb.toFixed(2)}). It was described as: ${captions[0]}`);
}
