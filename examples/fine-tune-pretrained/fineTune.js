// A published captioner learns what four photographs show: node fineTune.js MODEL. The same text is valid TypeScript.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  adamW,
  Clip,
  ClipPictureEncoder,
  constant,
  datasetOf,
  fromPretrained,
  greedy,
  LoRA,
  loadGPT2,
  loadPreprocessing,
  openPretrained,
  openWeights,
  PrefixCaptioner,
  PretrainedTokenizer,
  Random,
  readClipConfig,
  readGPT2Config,
  selectBackend,
  train,
  trainOnly,
} from 'tfjs-captioning';
import { directory, readImage } from 'tfjs-captioning/node';

const photos = fileURLToPath(new URL('../photos/', import.meta.url));
const captions = {
  'astronaut.jpg': 'a woman in orange',
  'cat.jpg': 'a striped cat',
  'coffee.jpg': 'a cup of coffee',
  'rocket.jpg': 'a rocket at night',
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    train: { type: 'string', default: 'decoder' }, // or all, lora, mapper
    clip: { type: 'string' }, // makes a prefix captioner of it and of MODEL, a GPT-2
    steps: { type: 'string', default: '200' },
    'learning-rate': { type: 'string', default: '5e-5' },
    output: { type: 'string', default: 'runs/fine-tuned' },
    backend: { type: 'string' },
  },
});
const [model = 'Salesforce/blip-image-captioning-base'] = positionals;
const part = values.train;
if (!(values.clip ? ['decoder', 'mapper'] : ['all', 'decoder', 'lora']).includes(part))
  throw new Error(`--train ${part} is nothing that this captioner knows; see README.md.`);
await selectBackend(values.backend ? { prefer: /** @type {any} */ (values.backend) } : {});

const { captioner, save, load } = values.clip ? await prefixCaptioner(values.clip, model) : await pretrained(model);
const records = await Promise.all(
  Object.entries(captions).map(async ([id, caption]) => {
    const image = await readImage(photos + id);
    return { id, image, caption, captions: [caption], split: /** @type {const} */ ('train') };
  }),
);
const images = records.map(({ image }) => image);
const data = datasetOf(records, async ({ image }) => image);
// Some tokenizers know no capitals, and each has its way with spaces: this is what the model can say of a caption.
const wanted = records.map(({ caption }) => captioner.tokenizer.decode(captioner.tokenizer.encode(caption)));
const say = async (speaker) =>
  (await speaker.caption(images, { search: greedy(), maxLength: 24 })).map(({ text }) => text);

// The encoder stays as it is, unless `fineTune` says otherwise.
const learningRate = Number(values['learning-rate']);
const lora = part === 'lora' ? new LoRA(captioner.decoder.parts.layers, { random: new Random(7) }) : undefined;
if (lora) trainOnly(captioner.parameters(), /\.lora\./);
if (part === 'mapper') trainOnly(captioner.parameters(), /^decoder\.mapper\./);
const steps = train(captioner, data, {
  optimizer: adamW(learningRate),
  ...(part === 'all' && { fineTune: { fromEpoch: 1, learningRate } }),
  epochs: Number(values.steps), // of one step each
  batchSize: records.length,
  captionsPerImage: 1,
  doublyStochastic: 0,
  schedule: constant(),
  seed: 7,
});
let said = await say(captioner);
for await (const { step, crossEntropy } of steps) {
  if (step % 10 !== 0) continue;
  console.log(`step ${step}: loss ${crossEntropy.toFixed(3)}`);
  said = await say(captioner);
  if (`${said}` === `${wanted}`) break;
}

lora?.merge(); // into the weights, so that what is saved is a model like any other
await save(directory(values.output));
const restored = await load(directory(values.output));
const again = await say(restored);
for (const [i, { id }] of records.entries()) console.log(`${id}: ${again[i]}`);
const learned = `${said}` === `${wanted}`;
const same = `${again}` === `${said}`;
console.log(learned ? 'All captions are known by heart.' : `Not all captions are known yet: ${wanted.join('; ')}`);
console.log(same ? `${values.output} says the same.` : `${values.output} says something else: ${said.join('; ')}`);
process.exit(learned && same ? 0 : 1); // threads of a backend would hold it

/** BLIP, GIT, BLIP-2, or a vision transformer with GPT-2 or BERT: what `config.json` says. */
async function pretrained(source) {
  const captioner = await fromPretrained(source);
  return { captioner, save: (store) => captioner.savePretrained(store), load: (store) => fromPretrained(store) };
}

/** CLIP sees, a mapper turns that into the first words of GPT-2. CLIP stays as it is, so it is not saved. */
async function prefixCaptioner(clipSource, languageSource) {
  const configOf = async (store) => JSON.parse(new TextDecoder().decode(await store.read('config.json')));
  const [seeing, speaking] = [await openPretrained(clipSource), await openPretrained(languageSource)];
  const clip = await Clip.load(readClipConfig(await configOf(seeing)), await openWeights(seeing));
  const encoder = new ClipPictureEncoder(clip, await loadPreprocessing(seeing));
  const config = readGPT2Config(await configOf(speaking));
  const tokenizer = await PretrainedTokenizer.load(speaking);
  const language = { config, params: await loadGPT2(config, await openWeights(speaking)) };
  const captioner = PrefixCaptioner.create({ encoder, tokenizer, language, prefixLength: 4, dropout: 0 });
  const given = { encoder, tokenizer };
  return { captioner, save: (store) => captioner.save(store), load: (store) => PrefixCaptioner.load(store, given) };
}
