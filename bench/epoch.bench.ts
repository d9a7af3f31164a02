/**
 * One epoch of the decoder over stored features of Flickr8k's training captions, against the same model in PyTorch.
 *
 *   npx tsx bench/epoch.bench.ts [--steps N] [--engines wasm,tfjs-node,pytorch] [--json FILE]
 *
 * Sizes, dropout, loss and optimizer are those of the captioner in models/flickr8k; a step is 20 pictures with five
 * captions each. All engines read one file of features and one list of batches, each in a process of its own, and must
 * first agree on the loss and on the norm of its gradient for the same weights and batch, without dropout.
 *
 * With `--steps` only so many are timed and the epoch is extrapolated. The data are looked for in CAPTIONING_DATA or
 * ../shared/data. PyTorch runs on the Python named in BENCH_PYTHON (with torch and numpy), else in a virtual environment
 * that is made in .cache/. What is prepared stays in .cache/epoch-bench.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import type { BackendDescription, BackendName } from '../src/backends/types';
import type { Dropout } from '../src/core/dropout';
import { parametersOf } from '../src/core/parameters';
import { Random } from '../src/core/random';
import type { Dataset } from '../src/data/types';
import { WordTokenizer } from '../src/data/wordTokenizer';
import { type AttentionLSTMConfig, AttentionLSTMDecoder } from '../src/decoders/attentionLSTM';
import { writeTensors } from '../src/io/checkpoint';
import { float16ToFloat32, float32ToFloat16 } from '../src/io/float16';
import { selectBackend } from '../src/node/backends';
import { loadCaptionData } from '../src/node/captionData';
import { directory } from '../src/node/directory';
import { loadEncoder } from '../src/node/encoders';
import { captionBatch } from '../src/training/captionBatch';
import { featureReader } from '../src/training/features';
import { clipFactor, gradients } from '../src/training/gradients';
import { doublyStochastic, linearCrossEntropy } from '../src/training/losses';
import { adamW } from '../src/training/optimizers';

const root = join(import.meta.dirname, '..');
const folder = join(root, '.cache', 'epoch-bench');
const sharedData = process.env.CAPTIONING_DATA ?? join(root, '../shared/data');

const recipe = {
  pictures: 20,
  captionsPerImage: 5,
  maxLength: 24,
  minCount: 5,
  embeddingSize: 256,
  hiddenSize: 320,
  attentionSize: 256,
  dropout: 0.4,
  labelSmoothing: 0.1,
  doublyStochastic: 1,
  clipNorm: 5,
  learningRate: 8e-4,
  weightDecay: 0.01,
};

/** Steps that are done before the clock starts: engines compile, plan and fill their pools in them. */
const WARMUP = 2;

/** A step: rows of the feature file, and their captions as `CaptionBatch` has them. */
type Batch = {
  pictures: number[];
  rows: number;
  time: number;
  inputs: number[];
  targets: number[];
  wanted: number[];
  mask: number[];
};

type Plan = {
  recipe: typeof recipe;
  config: AttentionLSTMConfig;
  positions: number;
  warmup: number;
  stepsPerEpoch: number;
  batches: Batch[];
};

/** What an engine's process prints. */
type Result = {
  engine: string;
  /** Of the first batch, before anything is learned, without dropout. */
  check: { loss: number; gradientNorm: number };
  /** Milliseconds of every timed step. */
  milliseconds: number[];
  peakBytes: number;
};

const plannedSteps = (plan: Plan) => plan.batches.length - plan.warmup;

// --- preparing

/** Writes features, weights and batches for `steps` timed steps, or for the whole epoch. */
async function prepare(steps: number | undefined): Promise<Plan> {
  await mkdir(folder, { recursive: true });
  const { train } = await loadCaptionData(join(sharedData, 'flickr8k'));
  const stepsPerEpoch = Math.ceil(train.size / recipe.pictures);
  const count = Math.min(steps ?? stepsPerEpoch, stepsPerEpoch);
  const random = new Random(7);
  const places = Array.from({ length: train.size }, (_, i) => i);
  const order = random.fork('order').shuffle(places);
  const pictures = Math.min(train.size, Math.max(count, WARMUP) * recipe.pictures);

  const encoder = await loadEncoder('mobilenet-v2', { weights: join(sharedData, 'weights/mobilenet_v2_1.0_224') });
  const positions = encoder.grid[0] * encoder.grid[1];
  const file = join(folder, `features-${pictures}.f16`);
  const bytes = pictures * positions * encoder.featureSize * 2;
  if ((await stat(file).catch(() => undefined))?.size !== bytes) {
    await selectBackend();
    await writeFeatures(file, featureReader(encoder), train, order.slice(0, pictures));
  }
  const tokenizer = await WordTokenizer.fromCaptions(train.captions(), { minCount: recipe.minCount });
  const { embeddingSize, hiddenSize, attentionSize } = recipe;
  const config: AttentionLSTMConfig = {
    vocabSize: tokenizer.vocabSize,
    featureSize: encoder.featureSize,
    embeddingSize,
    hiddenSize,
    attentionSize,
    numLayers: 1,
    attentionActivation: 'tanh',
    contextGate: true,
    deepOutput: false,
    initActivation: 'tanh',
  };
  encoder.dispose();
  const decoder = new AttentionLSTMDecoder(config, random.fork('decoder'));
  await writeTensors(directory(folder), 'model.safetensors', parametersOf(decoder.params));
  decoder.dispose();

  const batches: Batch[] = [];
  for (let step = 0; step < WARMUP + count; step++) {
    // The first ones come twice, before the clock starts and after.
    const first = (step < WARMUP ? step : step - WARMUP) * recipe.pictures;
    const rows = Array.from({ length: Math.min(recipe.pictures, pictures - first) }, (_, i) => first + i);
    const examples = await Promise.all(rows.map((row) => train.at(order[row]!)));
    const captions = examples.flatMap(({ captions }) =>
      Array.from({ length: recipe.captionsPerImage }, (_, i) => tokenizer.encode(captions[i % captions.length]!)),
    );
    const { rows: n, time, inputs, targets, wanted, mask } = captionBatch(captions, tokenizer, recipe.maxLength);
    const numbers = { inputs: [...inputs], targets: [...targets], wanted: [...wanted], mask: [...mask] };
    batches.push({ pictures: rows, rows: n, time, ...numbers });
  }
  const plan = { recipe, config, positions, warmup: WARMUP, stepsPerEpoch, batches };
  await writeFile(join(folder, 'plan.json'), JSON.stringify({ ...plan, features: file }));
  return plan;
}

async function writeFeatures(
  path: string,
  read: ReturnType<typeof featureReader>,
  data: Dataset,
  places: readonly number[],
): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (let start = 0; start < places.length; start += recipe.pictures) {
      const examples = await Promise.all(places.slice(start, start + recipe.pictures).map((place) => data.at(place)));
      const features = await read(examples);
      await file.writeFile(new Uint8Array(float32ToFloat16(await features.data<'float32'>()).buffer));
      features.dispose();
      process.stderr.write(`\rEncoded ${start + examples.length} of ${places.length} pictures`);
    }
    process.stderr.write('\n');
  } finally {
    await file.close();
  }
}

// --- an engine of tfjs, in its own process

async function runEngine(name: BackendName): Promise<Result> {
  const backend = await selectBackend({ prefer: name });
  const plan: Plan & { features: string } = JSON.parse(await readFile(join(folder, 'plan.json'), 'utf8'));
  const { positions, config } = plan;
  const decoder = new AttentionLSTMDecoder(config, new Random(7).fork('decoder'));
  const parameters = parametersOf(decoder.params);
  const optimizer = adamW(recipe.learningRate, { weightDecay: recipe.weightDecay });
  const file = await open(plan.features, 'r');
  const perPicture = positions * config.featureSize;

  const featuresOf = async (pictures: readonly number[]) => {
    const halves = new Uint16Array(pictures.length * perPicture);
    await Promise.all(
      pictures.map((row, i) =>
        file.read(
          new Uint8Array(halves.buffer, i * perPicture * 2, perPicture * 2),
          0,
          perPicture * 2,
          row * perPicture * 2,
        ),
      ),
    );
    return tf.tensor3d(float16ToFloat32(halves), [pictures.length, positions, config.featureSize]);
  };

  /** As `train` does a step, the encoder being frozen. */
  const step = async (batch: Batch, drop: Dropout | undefined, learn: boolean) => {
    const features = await featuresOf(batch.pictures);
    const { loss, grads } = gradients(() => {
      const tokens = tf.tensor2d(batch.inputs, [batch.rows, batch.time], 'int32');
      const wanted = tf.tensor1d(batch.wanted, 'int32');
      const pass = decoder.teacherForced(tokens, decoder.remember(features), { wanted, ...(drop && { drop }) });
      const words = linearCrossEntropy(pass.last!, tf.tensor1d(batch.targets, 'int32'), recipe.labelSmoothing);
      const spread = doublyStochastic(pass.weights!, tf.tensor2d(batch.mask, [batch.rows, batch.time]));
      return tf.add<tf.Scalar>(words, tf.mul(spread, recipe.doublyStochastic));
    }, parameters);
    features.dispose();
    const { norm, factor } = clipFactor(grads, recipe.clipNorm);
    if (learn) optimizer.apply(parameters, grads, () => 1, factor);
    const [[value], [gradientNorm]] = await Promise.all([loss.data(), norm.data()]);
    tf.dispose([loss, norm, factor, ...grads.values()]);
    return { loss: value!, gradientNorm: gradientNorm! };
  };

  const check = await step(plan.batches[0]!, undefined, false);
  const milliseconds: number[] = [];
  for (const [index, batch] of plan.batches.entries()) {
    const started = performance.now();
    await step(batch, { rate: recipe.dropout, random: new Random(index) }, true);
    if (index >= plan.warmup) milliseconds.push(performance.now() - started);
  }
  await file.close();
  return { engine: describe(backend), check, milliseconds, peakBytes: process.resourceUsage().maxRSS * 1024 };
}

function describe({ name, threads, versions }: BackendDescription): string {
  const parts = Object.entries(versions).map(([part, version]) => `${part} ${version}`);
  return [name, ...parts, ...(threads ? [`${threads} threads`] : [])].join(', ');
}

// --- the processes

/** Runs a command whose last line of standard output is a result; its standard error is shown where it fails. */
function resultOf(command: string, args: readonly string[]): Promise<Result> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    errors += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(output.trim().split('\n').at(-1)!));
      else reject(new Error(errors.trim().split('\n').slice(-8).join('\n')));
    });
  });
}

async function pythonWithTorch(): Promise<string> {
  if (process.env.BENCH_PYTHON) return process.env.BENCH_PYTHON;
  const environment = join(root, '.cache', 'epoch-bench-venv');
  const python = join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  if (existsSync(python)) return python;
  const run = promisify(execFile);
  process.stderr.write('Installing PyTorch for the comparison (minutes; BENCH_PYTHON names one that is there)\n');
  await run('python3', ['-m', 'venv', environment]);
  await run(python, ['-m', 'pip', 'install', '--quiet', 'torch', 'numpy']);
  return python;
}

async function runAs(engine: string): Promise<Result> {
  if (engine === 'pytorch')
    return resultOf(await pythonWithTorch(), [
      join(root, 'bench/epoch_pytorch.py'),
      folder,
      `${availableParallelism()}`,
    ]);
  return resultOf(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), '--engine', engine]);
}

// --- the comparison

/** float32 sums of a million terms in another order; an error in the model shows in the second digit. */
const AGREEMENT = 1e-3;

function expectAgreement(results: readonly Result[]): void {
  const [first, ...others] = results;
  for (const other of others)
    for (const key of ['loss', 'gradientNorm'] as const) {
      const [a, b] = [first!.check[key], other.check[key]];
      if (!(Math.abs(a - b) <= AGREEMENT * Math.abs(a)))
        throw new Error(
          `${key} is ${a} by ${first!.engine} but ${b} by ${other.engine}: they do not compute the same.`,
        );
    }
}

function summary({ engine, milliseconds, check, peakBytes }: Result, plan: Plan) {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const mean = milliseconds.reduce((sum, value) => sum + value, 0) / milliseconds.length;
  return {
    engine,
    ...check,
    medianMilliseconds: sorted[Math.floor(sorted.length / 2)]!,
    leastMilliseconds: sorted[0]!,
    secondsPerEpoch: (mean * plan.stepsPerEpoch) / 1000,
    peakMebibytes: peakBytes / 2 ** 20,
  };
}

async function compare(engines: readonly string[], steps: number | undefined, json: string | undefined): Promise<void> {
  const plan = await prepare(steps);
  const results: Result[] = [];
  const missing: string[] = [];
  for (const engine of engines) {
    process.stderr.write(`Timing ${engine}\n`);
    try {
      results.push(await runAs(engine));
    } catch (error) {
      missing.push(`${engine}: ${(error as Error).message}`);
    }
  }
  expectAgreement(results);
  const rows = results.map((result) => summary(result, plan));
  const torch = rows.find(({ engine }) => engine.startsWith('PyTorch'));
  const [cpu] = cpus();
  const machine = `${cpu?.model.trim()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  const timed = plannedSteps(plan);
  const whole = timed === plan.stepsPerEpoch;
  console.log(`${machine}`);
  console.log(
    `${plan.stepsPerEpoch} steps of ${recipe.pictures} pictures x ${recipe.captionsPerImage} captions are an epoch; ` +
      (whole ? 'all were timed' : `${timed} were timed and the epoch is EXTRAPOLATED from their mean`),
  );
  console.log('median ms  least ms  s/epoch  x PyTorch  peak MiB  loss     engine');
  for (const row of rows) {
    const ratio = torch ? (row.secondsPerEpoch / torch.secondsPerEpoch).toFixed(2) : '-';
    const cells = [row.medianMilliseconds, row.leastMilliseconds, row.secondsPerEpoch].map((n) => n.toFixed(0));
    const [median, least, seconds] = cells as [string, string, string];
    console.log(
      `${median.padStart(9)}  ${least.padStart(8)}  ${seconds.padStart(7)}  ${ratio.padStart(9)}  ` +
        `${row.peakMebibytes.toFixed(0).padStart(8)}  ${row.loss.toFixed(5)}  ${row.engine}`,
    );
  }
  for (const line of missing) console.log(`not timed: ${line}`);
  if (json)
    await writeFile(
      json,
      `${JSON.stringify({ machine, stepsPerEpoch: plan.stepsPerEpoch, timed, recipe, rows, missing }, null, 2)}\n`,
    );
  if (results.length === 0) process.exitCode = 1;
}

const { values } = parseArgs({
  options: {
    steps: { type: 'string' },
    engines: { type: 'string', default: 'wasm,tfjs-node,pytorch' },
    json: { type: 'string' },
    engine: { type: 'string' },
  },
});
if (values.engine) console.log(JSON.stringify(await runEngine(values.engine as BackendName)));
else {
  const steps = values.steps === undefined ? undefined : Number(values.steps);
  if (steps !== undefined && !(Number.isInteger(steps) && steps >= 1))
    throw new Error(`--steps is ${values.steps} but should be a whole number of at least 1.`);
  await compare(values.engines.split(','), steps, values.json);
}
