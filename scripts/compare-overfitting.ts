/*
 * What each measure against over-fitting does on its own: the table of docs/overfitting.md.
 *
 *   TFJS_CAPTIONING_BACKEND=tfjs-node npx tsx scripts/compare-overfitting.ts --data-path ../shared/data/flickr8k --output runs/overfitting
 *
 * Makes a data set of the first 400 training and 150 development pictures, then trains the same small captioner on it by the command
 * `train`, once for each measure. A run that is already in --output is gone on with, or only read. `--only NAME` trains one. Prints a
 * row for each run; `npx tfjs-captioning report runs/overfitting/*` puts their curves side by side.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readHistory, type Validation } from '../src/cli/history';
import { directory } from '../src/node/directory';

const PICTURES = { train: 400, dev: 150, test: 0 };
const MEASURES: Record<string, string[]> = {
  nothing: [],
  'early stopping': ['--patience', '3'],
  dropout: ['--dropout', '0.4'],
  'word dropout': ['--word-dropout', '0.2'],
  'label smoothing': ['--label-smoothing', '0.1'],
  'weight decay': ['--weight-decay', '0.3'],
  flips: ['--augment', 'flip'],
  'flips and crops': ['--augment', 'flip,crop:0.6'],
  mixup: ['--mixup', '0.4'],
  'averaged weights': ['--averaging', '0.98'],
  'dropout, label smoothing, flips': ['--dropout', '0.4', '--label-smoothing', '0.1', '--augment', 'flip'],
};

const { values } = parseArgs({
  options: {
    'data-path': { type: 'string', default: '../shared/data/flickr8k' },
    output: { type: 'string', default: 'runs/overfitting' },
    only: { type: 'string', multiple: true, default: Object.keys(MEASURES) },
    epochs: { type: 'string', default: '14' },
  },
});
const { output, epochs } = values;
const data = join(output, 'data');
await few(resolve(values['data-path']), data);

const rows: string[] = [];
for (const name of values.only) {
  const measure = MEASURES[name];
  if (!measure) throw new Error(`'${name}' is no measure; there are ${Object.keys(MEASURES).join(', ')}.`);
  const run = join(output, name.replaceAll(/\W+/g, '-'));
  train(run, measure);
  const { validations } = await readHistory(directory(run));
  const best = validations.findLast((each) => each.best)!;
  rows.push(`| ${name} | ${measure.join(' ')} | ${shown(best)} | ${shown(validations.at(-1)!)} |`);
}
const figures = 'epoch | training loss | development loss | gap | CIDEr';
console.log(
  `| measure | option | best ${figures} | last ${figures} |\n|---|---|${'---|'.repeat(10)}\n${rows.join('\n')}`,
);

/** Runs the command, which says how it goes on standard error. */
function train(run: string, measure: readonly string[]): void {
  const model = [
    '--model',
    'transformer',
    '--hidden-size',
    '192',
    '--layers',
    '2',
    '--min-count',
    '2',
    '--dropout',
    '0',
  ];
  const rest = ['--learning-rate', '1e-3', '--warmup', '40', '--epochs', epochs, '--patience', epochs, '--seed', '7'];
  const search = ['--beam-size', '1', '--length-penalty', '0'];
  const where = ['--data-path', data, '--model-path', run];
  const again = existsSync(run) ? ['--resume'] : [];
  const command = ['tsx', 'src/cli/index.ts', 'train', ...where, ...model, ...rest, ...search, ...measure, ...again];
  const { status } = spawnSync('npx', command, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0)
    throw new Error(`The training in ${run} ended with ${status}. Run the script again to go on with it.`);
}

function shown({ epoch, figures }: Validation): string {
  const losses = ['training loss', 'development loss'].map((name) => figures[name] ?? Number.NaN);
  const [training, development] = losses as [number, number];
  const numbers = [training, development, development - training].map((loss) => loss.toFixed(2));
  return [epoch, ...numbers, (figures.CIDEr ?? Number.NaN).toFixed(3)].join(' | ');
}

/** The first pictures of each split, in the layout of Flickr8k. */
async function few(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await copyFile(join(from, 'Flickr8k.token.txt'), join(to, 'Flickr8k.token.txt'));
  for (const [split, count] of Object.entries(PICTURES)) {
    const file = `Flickr_8k.${split}Images.txt`;
    const ids = (await readFile(join(from, file), 'utf8')).split('\n').slice(0, count);
    await writeFile(join(to, file), ids.map((id) => `${id}\n`).join(''));
  }
  const pictures = join(to, 'images');
  if (!existsSync(pictures)) await symlink(join(from, 'images'), pictures);
}
