/**
 * The metrics against pycocoevalcap 1.2, on the same captions in one run: npm run bench:metrics [-- --images N --json FILE]
 *
 * Candidates are the first caption of every picture of COCO's val2017, references its others. Every stage runs in a process
 * of its own, each side in turn, from cold: seconds are those of the whole process, with the start of Node, Python and Java
 * and the loading of METEOR's data in them. `whole` is all stages in one process, as people run them. Of several runs the
 * fastest counts. Both sides must agree on tokens and scores.
 *
 * Captions are looked for in CAPTIONING_DATA or ../shared/data. pycocoevalcap runs on the Python named in BENCH_PYTHON, else
 * in a virtual environment that is made in .cache/; it needs Java.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { VERSION } from '../src/version';
import { pythonWith } from './processes';
import { machine, table } from './table';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const folder = join(root, '.cache', 'metrics-bench');
const sharedData = process.env.CAPTIONING_DATA ?? join(root, '../shared/data');

const STAGES = ['tokenizer', 'BLEU', 'METEOR', 'ROUGE-L', 'CIDEr', 'whole'];
const RUNS = 3;
/** Absolute, of scores from 0 to 10. */
const AGREEMENT = 1e-9;

type Result = { scores: Record<string, number>; seconds: number; peakMebibytes: number };

async function prepare(images: number): Promise<number> {
  await mkdir(folder, { recursive: true });
  const { annotations } = JSON.parse(await readFile(join(sharedData, 'coco/captions_val2017_all.json'), 'utf8'));
  const captions = new Map<number, string[]>();
  for (const { image_id: id, caption } of annotations) captions.set(id, [...(captions.get(id) ?? []), caption]);
  const items = [...captions]
    .slice(0, images)
    .map(([id, [candidate, ...references]]) => ({ id, candidate, references }));
  await writeFile(join(folder, 'captions.json'), JSON.stringify(items));
  return items.length;
}

/** The fastest of several runs. */
async function timed(command: string, args: readonly string[]): Promise<Result> {
  const results: Result[] = [];
  for (let i = 0; i < RUNS; i++) {
    const started = performance.now();
    const { stdout } = await run(command, [...args], { cwd: root, maxBuffer: 1e8 });
    const seconds = (performance.now() - started) / 1000;
    const { scores, peakKibibytes } = JSON.parse(stdout.trim().split('\n').at(-1)!);
    results.push({ scores, seconds, peakMebibytes: peakKibibytes / 1024 });
  }
  return results.sort((a, b) => a.seconds - b.seconds)[0]!;
}

function expectAgreement(ours: Result, theirs: Result): void {
  for (const [name, expected] of Object.entries(theirs.scores))
    if (!(Math.abs(ours.scores[name]! - expected) <= AGREEMENT))
      throw new Error(`${name} is ${ours.scores[name]} here but ${expected} by pycocoevalcap.`);
}

async function expectSameTokens(): Promise<void> {
  const [ours, theirs] = await Promise.all(
    ['tokens.ours.json', 'tokens.json'].map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'))),
  );
  const differing = ours.filter((tokens: unknown, i: number) => JSON.stringify(tokens) !== JSON.stringify(theirs[i]));
  if (differing.length > 0) throw new Error(`The tokens of ${differing.length} pictures differ.`);
}

const { values } = parseArgs({ options: { images: { type: 'string', default: '5000' }, json: { type: 'string' } } });
const images = await prepare(Number(values.images));
const python = await pythonWith(['pycocoevalcap==1.2'], 'metrics-bench-venv');
const { stderr: java } = await run('java', ['-version']);
const versions = `tfjs-captioning ${VERSION}; pycocoevalcap 1.2, ${(await run(python, ['--version'])).stdout.trim()}, ${java.split('\n')[0]}`;
console.log(`${machine()}\n${versions}\n${images} pictures, the fastest of ${RUNS} cold runs\n`);
const rows = [];
for (const stage of STAGES) {
  const theirs = await timed(python, [join(root, 'bench/metrics_reference.py'), stage, folder]);
  const ours = await timed(process.execPath, [join(root, 'bench/metricsStage.js'), stage, folder]);
  if (stage === 'tokenizer') await expectSameTokens();
  expectAgreement(ours, theirs);
  const ratio = theirs.seconds / ours.seconds;
  rows.push({ stage, ours, theirs, ratio });
  process.stderr.write(`${stage}\n`);
}
const cells = rows.map(({ stage, ours, theirs, ratio }) => [
  stage,
  ours.seconds.toFixed(2),
  theirs.seconds.toFixed(2),
  ratio.toFixed(1),
  ours.peakMebibytes.toFixed(0),
  theirs.peakMebibytes.toFixed(0),
]);
console.log(table(['stage', 'here s', 'pycocoevalcap s', 'ratio', 'here MiB', 'pycocoevalcap MiB'], cells));
if (values.json)
  await writeFile(
    values.json,
    `${JSON.stringify({ machine: machine(), versions, images, runs: RUNS, rows }, null, 2)}\n`,
  );
