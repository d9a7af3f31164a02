/**
 * What worker threads bring to training: npx tsx bench/parallel.bench.ts [--backends wasm,onnxruntime,tfjs-node --workers 2,4 --steps 10 --json FILE]
 *
 * Whole steps of `train` at V8000 L49 (32 pictures with 2048 features at 49 positions, a caption of 20 words each), clipping and
 * AdamW included: in one thread with all threads of the backend, and with so many workers that share the processors. Every way
 * runs in a process of its own, after the others, and they must agree on the losses. ms is the fastest step after the first two; cpu is
 * the processor time of all threads in a step, the mean; peak is the largest resident memory of the process.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { build } from 'esbuild';
import { AttentionLSTMCaptioner } from '../src/attentionLSTMCaptioner';
import type { BackendName } from '../src/backends/types';
import { Random } from '../src/core/random';
import { datasetOf } from '../src/data/dataset';
import type { PixelImage } from '../src/data/types';
import { WordTokenizer } from '../src/data/wordTokenizer';
import { ConvEncoder } from '../src/encoders/convEncoder';
import { selectBackend } from '../src/node/backends';
import { dataParallel } from '../src/node/parallel/dataParallel';
import { adamW } from '../src/training/optimizers';
import { train } from '../src/training/train';
import { machine, table } from './table';

const [PICTURES, POSITIONS, FEATURES, WORDS, VOCABULARY] = [32, 49, 2048, 20, 8000];
/** Steps before the clock counts: engines and threads start in them. */
const WARM = 2;
/** Losses add the same numbers in another order, on backends that add in orders of their own. */
const TOLERANCE = 1e-4;

const { values } = parseArgs({
  options: {
    backends: { type: 'string', default: 'wasm,onnxruntime,tfjs-node' },
    workers: { type: 'string', default: '2' },
    steps: { type: 'string', default: '10' },
    json: { type: 'string' },
    run: { type: 'string' },
    file: { type: 'string' },
  },
});
const steps = Number(values.steps);
if (!(Number.isInteger(steps) && steps > 0))
  throw new Error(`--steps is ${values.steps} but should be a whole number.`);

type Way = { backend: BackendName; workers: number };
type Measured = Way & { ms: number; cpu: number; peakMB: number; losses: number[] };

/** Features that no encoder has made. */
const given = {
  of: async () => ({
    get: async (key: string) => new Random(Number.parseInt(key.slice(0, 7), 16)).uniform(POSITIONS * FEATURES),
    put: async (_: string, features: Float32Array) => features,
  }),
};

async function measure({ backend, workers }: Way, file: URL): Promise<Measured> {
  await selectBackend({ prefer: backend });
  const random = new Random(5);
  const words = Array.from({ length: VOCABULARY - 4 }, (_, i) => `w${i}`);
  const captionOf = (picture: number) =>
    Array.from(random.fork(picture).uniform(WORDS - 1), (u) => words[Math.floor(u * words.length)]).join(' ');
  const count = PICTURES * (WARM + steps);
  const records = Array.from({ length: count }, (_, i) => ({
    ...{ id: `${i}`, captions: [captionOf(i)], split: 'train' as const },
  }));
  const picture = (id: string): PixelImage => {
    const data = Uint8Array.from(random.fork(id).uniform(28 * 28 * 3), (u) => 256 * u);
    return { data, width: 28, height: 28, channels: 3 };
  };
  const data = datasetOf(records, async ({ id }) => picture(id));
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 28, channels: [8, FEATURES] }, random.fork('encoder'));
  const tokenizer = await WordTokenizer.fromCaptions(words, { minCount: 1 });
  const sizes = { embeddingSize: 512, hiddenSize: 512, attentionSize: 512 };
  const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes, dropout: 0.5, seed: 7 });
  const parallel = workers > 0 ? dataParallel({ workers, file }) : undefined;
  const options = {
    ...{ optimizer: adamW(4e-4), epochs: 1, batchSize: PICTURES, captionsPerImage: 1, seed: 1, features: given },
    ...(parallel && { parallel }),
  };
  const losses: number[] = [];
  let [fastest, started] = [Infinity, performance.now()];
  let before = process.cpuUsage();
  for await (const { loss, step } of train(captioner, data, options)) {
    losses.push(loss);
    if (step > WARM) fastest = Math.min(fastest, performance.now() - started);
    if (step === WARM) before = process.cpuUsage();
    started = performance.now();
  }
  const { user, system } = process.cpuUsage(before);
  await parallel?.close();
  const peakMB = process.resourceUsage().maxRSS / 1024;
  return { backend, workers, ms: fastest, cpu: (user + system) / 1000 / steps, peakMB, losses };
}

/** The same in a process of its own. */
async function measureAlone(way: Way, file: URL): Promise<Measured> {
  const script = fileURLToPath(import.meta.url);
  const args = ['--run', JSON.stringify(way), '--file', file.href, '--steps', `${steps}`];
  const options = { maxBuffer: 2 ** 26 };
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, script, ...args], options);
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

async function compareAll(): Promise<void> {
  const cache = join(import.meta.dirname, '../.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'parallel-')); // here packages are found
  const rows: Measured[] = [];
  const failures: string[] = [];
  try {
    const outfile = join(folder, 'trainingThread.mjs');
    const entry = join(import.meta.dirname, '../src/node/parallel/trainingThread.ts');
    await build({
      ...{ entryPoints: [entry], outfile, packages: 'external' },
      ...{ bundle: true, format: 'esm', platform: 'node', logLevel: 'error' },
    });
    const counts = [0, ...values.workers.split(',').map(Number)];
    for (const backend of values.backends.split(',') as BackendName[])
      for (const workers of counts) {
        process.stderr.write(`${backend}, ${workers} workers\n`);
        try {
          rows.push(await measureAlone({ backend, workers }, pathToFileURL(outfile)));
        } catch (error) {
          const { stderr, message } = error as Error & { stderr?: string };
          failures.push(
            `${backend}, ${workers} workers: ${(stderr || message).trim().split('\n').slice(-6).join('\n')}`,
          );
        }
      }
  } finally {
    await rm(folder, { recursive: true });
  }
  const plainOf = (row: Measured) => rows.find(({ backend, workers }) => backend === row.backend && workers === 0);
  for (const row of rows)
    for (const [step, loss] of row.losses.entries())
      if (Math.abs(loss - rows[0]!.losses[step]!) > TOLERANCE * Math.abs(loss))
        failures.push(
          `${row.backend}, ${row.workers} workers: the loss of step ${step + 1} is ${loss}, not ${rows[0]!.losses[step]}`,
        );
  const cells = rows.map((row) => [
    ...[row.backend, row.workers === 0 ? 'none' : `${row.workers}`, row.ms.toFixed(0)],
    ...[(row.ms / (plainOf(row)?.ms ?? Number.NaN)).toFixed(2), row.cpu.toFixed(0), row.peakMB.toFixed(0)],
  ]);
  console.log(`${machine()}\n`);
  console.log(table(['backend', 'workers', 'ms', 'x none', 'cpu ms', 'peak MB'], cells));
  for (const failure of failures) console.log(`FAILED: ${failure}`);
  if (values.json) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  if (failures.length > 0) process.exitCode = 1;
}

if (values.run === undefined) await compareAll();
else {
  const measured = await measure(JSON.parse(values.run), new URL(values.file!));
  process.stdout.write(`${JSON.stringify(measured)}\n`);
  process.exit(0); // threads of wasm would hold it
}
