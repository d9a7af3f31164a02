import { basename } from 'node:path';
import { Command } from 'commander';
import { DataError } from '../core/errors';
import { type Line, lineChart } from '../node/chart';
import { directory } from '../node/directory';
import { LOSSES, learningLine, lineOf } from './curves';
import { hasHistory, type RunHistory, readHistory } from './history';
import { duration } from './progress';
import { expectFolderOf, writeOutput } from './shared';

type Run = { name: string; history: RunHistory };

/** `report`: runs side by side in one page that needs nothing else. */
export function reportCommand(): Command {
  return new Command('report')
    .description('compare trainings in one page: curves, settings that differ, scores')
    .argument('<runs...>', 'folders that train wrote')
    .requiredOption('--output <file>', 'the HTML page to write')
    .addHelpText(
      'after',
      `
Example:
  $ tfjs-captioning report runs/first runs/tuned --output report.html`,
    )
    .action(async (folders: string[], { output }: { output: string }) => {
      expectFolderOf(output);
      const runs: Run[] = [];
      for (const [i, folder] of folders.entries()) {
        const store = directory(folder);
        if (!(await hasHistory(store)))
          throw new DataError(
            `${folder} has no history.json: it is no folder that train wrote, or has no validation yet.`,
          );
        const own = basename(store.location);
        const taken = folders.some((other, j) => j !== i && basename(directory(other).location) === own);
        runs.push({ name: taken ? folder : own, history: await readHistory(store) });
      }
      await writeOutput(output, reportPage(runs));
      process.stderr.write(`${runs.length} run${runs.length === 1 ? '' : 's'} in ${output}.\n`);
    });
}

/** The page; its charts are SVG within it. */
export function reportPage(runs: readonly Run[]): string {
  const charts = chartsOf(runs).map(([heading, svg]) => `<h3>${escaped(heading)}</h3>\n${svg}`);
  const { differing, common } = settingsOf(runs);
  const names = runs.map(({ name }) => name);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${escaped(names.join(', '))}</title>
<style>
body { font-family: sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.best { font-weight: bold; }
svg { max-width: 100%; height: auto; }
</style>
</head>
<body>
<h1>Trainings compared</h1>
<h2>Best validation of each run</h2>
${scoreTable(runs)}
<h2>Curves</h2>
${charts.join('\n')}
<h2>Settings that differ</h2>
${differing.length === 0 ? '<p>None.</p>' : table(['setting', ...names], differing)}
<details><summary>Settings that are the same</summary>
${table(
  ['setting', 'value'],
  common.map(([name, value]) => [name!, value!]),
)}
</details>
</body>
</html>
`;
}

function chartsOf(runs: readonly Run[]): [heading: string, svg: string][] {
  const several = runs.length > 1;
  const losses: Line[] = runs.flatMap(({ name, history }) => [
    ...(several ? [] : [learningLine(history)]),
    ...LOSSES.map((figure) => ({
      ...lineOf(history, figure, several ? `${name}: ${figure.split(' ')[0]}` : figure),
      faint: several && figure === 'training loss',
    })),
  ]);
  const figures = ['CIDEr', 'BLEU-4', 'text to image recall@10'];
  const charts: [string, string, Line[]][] = [
    ['Loss of true captions', 'nats per token', losses],
    ...figures.map((figure): [string, string, Line[]] => [
      `${figure} of the development split`,
      'share of 1',
      runs.map(({ name, history }) => lineOf(history, figure, name)),
    ]),
  ];
  return charts.flatMap(([title, y, lines]) =>
    lines.some(({ points }) => points.length > 0) ? [[title, lineChart({ title, x: 'epoch', y, lines })]] : [],
  );
}

const bestOf = ({ validations }: RunHistory) => validations.findLast(({ best }) => best);

/** The figures of the best validation of each run; the best of a column is marked. */
function scoreTable(runs: readonly Run[]): string {
  const all = runs.map(({ name, history }) => ({ name, best: bestOf(history), last: history.validations.at(-1) }));
  const figures = [...new Set(all.flatMap(({ best }) => Object.keys(best?.figures ?? {})))];
  const leading = new Map(
    figures.map((figure) => {
      const values = all.flatMap(({ best }) => best?.figures[figure] ?? []);
      return [figure, figure.endsWith('loss') ? Math.min(...values) : Math.max(...values)];
    }),
  );
  const rows = all.map(({ name, best, last }) => {
    const cells = figures.map((figure) => {
      const value = best?.figures[figure];
      const kind = runs.length > 1 && value === leading.get(figure) ? 'number best' : 'number';
      return `<td class="${kind}">${value === undefined ? '' : value.toFixed(4)}</td>`;
    });
    const place = best && last ? `${best.epoch} of ${last.epoch}` : '';
    return `<tr><td>${escaped(name)}</td><td>${place}</td><td>${last ? duration(last.seconds) : ''}</td>${cells.join('')}</tr>`;
  });
  const heads = ['run', 'best epoch', 'time', ...figures].map((head) => `<th>${escaped(head)}</th>`);
  return `<table><tr>${heads.join('')}</tr>\n${rows.join('\n')}</table>`;
}

/** Options and numbers of pictures: the rows in which runs differ, and those in which they do not. */
function settingsOf(runs: readonly Run[]): { differing: string[][]; common: string[][] } {
  const settings = runs.map(({ history: { options, pictures } }) => ({
    ...options,
    'training pictures': pictures.train,
    'development pictures': pictures.dev,
  })) as Record<string, unknown>[];
  const rows = [...new Set(settings.flatMap(Object.keys))].map((name) => [
    name,
    ...settings.map((of) =>
      of[name] === undefined ? '' : typeof of[name] === 'string' ? of[name] : JSON.stringify(of[name]),
    ),
  ]);
  const same = ([, ...values]: string[]) => values.every((value) => value === values[0]);
  return { differing: rows.filter((row) => !same(row)), common: rows.filter(same) };
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: 'th' | 'td') =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${line(heads, 'th')}\n${rows.map((row) => line(row, 'td')).join('\n')}</table>`;
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
