import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { bleu, cider, rougeL, tokenizeCaption, tokenizeLine } from '../../src/metrics/index';
import { type Close, compareClipScores, compareDiversity } from './diversityGoldens';
import { compareAlignments, compareMeteor, compareNormalised, compareStems, type Same } from './meteorGoldens';

/** What a golden file holds that could be compared, and how far off we are; `differences` names what is wrong. */
export type Comparison = {
  /** Strings that have to be the same: tokens, stems, alignments, statistics. */
  strings: number;
  scores: number;
  worst: number;
  differences: string[];
};

/** Agreement that scores must have, absolute; tokens must be the same. */
export const TOLERANCE = 1e-9;

export const committedFolder = join(import.meta.dirname, '../goldens/metrics');

/** The folders with goldens: the committed one, and another where it is there or named in `GOLDEN_METRICS`. */
export function goldenFolders(): string[] {
  const named = process.env.GOLDEN_METRICS;
  const other = named ?? join(import.meta.dirname, '../../../shared/goldens/metrics');
  return [committedFolder, ...(named !== undefined || existsSync(other) ? [other] : [])];
}

/** The files of a folder that are compared, without those that are read along with another. */
export function goldenFiles(folder: string): string[] {
  return readdirSync(folder).filter((name) => /\.json(\.gz)?$/.test(name) && !name.includes('.expected.'));
}

/** @throws Error for a file or an output of a kind that is not known here */
export function compareFile(folder: string, name: string): Comparison {
  const result: Comparison = { strings: 0, scores: 0, worst: 0, differences: [] };
  const file = readJson(join(folder, name));
  if (name.includes('.inputs.'))
    compareScores(file.items, readJson(join(folder, name.replace('.inputs.', '.expected.'))), result);
  else if (name.startsWith('tokenize_'))
    for (const { text, tokens, next } of file) compareTokens(text, tokens, result, next);
  else if (name.startsWith('meteor_stems')) compareStems(file, sameAs(result));
  else if (name.startsWith('meteor_normalize')) compareNormalised(file, sameAs(result));
  else if (name.startsWith('meteor_align')) compareAlignments(file.pairs, sameAs(result), closeTo(result));
  else if (name.startsWith('diversity')) compareDiversity(file, closeTo(result));
  else if (name.startsWith('clip_score')) compareClipScores(file, closeTo(result));
  else throw new Error(`${join(folder, name)} is a golden of a kind that is not known here.`);
  return result;
}

type Item = {
  id: string | number;
  candidate: string;
  references: string[];
  candidateTokens: string;
  referenceTokens: string[];
};

// biome-ignore lint/suspicious/noExplicitAny: every file has its own form
export function readJson(path: string): any {
  const bytes = readFileSync(path);
  return JSON.parse((path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'));
}

/** @param next - the line after it, where that was looked at */
function compareTokens(text: string, expected: string, result: Comparison, next?: string): string[] {
  const tokens = next === undefined ? tokenizeCaption(text) : tokenizeLine(text, next);
  sameAs(result)(JSON.stringify(text), tokens.join(' '), expected);
  return tokens;
}

function sameAs(result: Comparison): Same {
  return (what, actual, wanted) => {
    result.strings++;
    if (actual !== wanted)
      result.differences.push(`${what} is ${JSON.stringify(actual)} but should be ${JSON.stringify(wanted)}`);
  };
}

/** Compares numbers; one for which a tolerance of its own is given does not count for the largest deviation. */
function closeTo(result: Comparison): Close {
  return (what, actual, wanted, tolerance) => {
    const deviation = Math.abs(actual - wanted);
    result.scores++;
    if (tolerance === undefined && !(deviation <= result.worst)) result.worst = deviation;
    if (!(deviation <= (tolerance ?? TOLERANCE)))
      result.differences.push(`${what} is ${actual} but should be ${wanted}`);
  };
}

/** Outputs of a file that carry no numbers of a metric of ours. */
const REMARKS = ['ciderD_vrama_max_abs_diff_vs_cider', 'ciderD_ruotianluo_max_abs_diff_vs_cider'];

// biome-ignore lint/suspicious/noExplicitAny: read from a file
function compareScores(items: Item[], expected: any, result: Comparison): void {
  const metrics = [bleu(), rougeL(), cider(), cider({ variant: 'original' })] as const;
  for (const { candidate, references, candidateTokens, referenceTokens } of items) {
    const tokens = compareTokens(candidate, candidateTokens, result);
    const others = references.map((reference, index) => compareTokens(reference, referenceTokens[index]!, result));
    for (const metric of metrics) metric.update(tokens, others);
  }
  const [bleuScores, rougeLScores, ciderScores, originalScores] = [
    metrics[0].compute(),
    metrics[1].compute(),
    metrics[2].compute(),
    metrics[3].compute(),
  ];
  const close = closeTo(result);
  const all = (what: string, actual: readonly number[], wanted: readonly number[]) => {
    if (actual.length !== wanted.length)
      result.differences.push(`${what} has ${actual.length} values, not ${wanted.length}`);
    for (const [index, value] of wanted.entries()) close(`${what} of ${items[index]?.id}`, actual[index]!, value);
  };
  for (const [output, values] of Object.entries(expected as Record<string, ReturnType<typeof readJson>>)) {
    if (output === 'bleu') {
      for (const [index, name] of (['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4'] as const).entries()) {
        close(name, bleuScores.corpus[name], values.corpus[index]);
        all(
          name,
          bleuScores.segments.map((segment) => segment[name]),
          values.segment[index],
        );
      }
      const statistics = metrics[0].state();
      const total = (pick: (index: number) => number) => items.reduce((sum, _, index) => sum + pick(index), 0);
      close(
        'candidate length',
        total((i) => statistics[i]!.candidateLength),
        values.comps.testlen,
      );
      close(
        'reference length',
        total((i) => statistics[i]!.referenceLength),
        values.comps.reflen,
      );
      for (const n of [0, 1, 2, 3]) {
        close(
          `guess ${n + 1}`,
          total((i) => statistics[i]!.guess[n]!),
          values.comps.guess[n],
        );
        close(
          `correct ${n + 1}`,
          total((i) => statistics[i]!.correct[n]!),
          values.comps.correct[n],
        );
      }
    } else if (output === 'rougeL') {
      close('ROUGE-L', rougeLScores.corpus['ROUGE-L'], values.corpus);
      all(
        'ROUGE-L',
        rougeLScores.segments.map((segment) => segment['ROUGE-L']),
        values.segment,
      );
    } else if (output === 'cider') {
      close('CIDEr', ciderScores.corpus.CIDEr, values.corpus);
      all(
        'CIDEr',
        ciderScores.segments.map((segment) => segment.CIDEr),
        values.segment,
      );
    } else if (output === 'ciderOriginal') {
      close('CIDEr (original)', originalScores.corpus['CIDEr (original)'], values.corpus);
      all(
        'CIDEr (original)',
        originalScores.segments.map((segment) => segment['CIDEr (original)']),
        values.segment,
      );
    } else if (output === 'meteor') compareMeteor(items, values, sameAs(result), close);
    else if (!REMARKS.includes(output)) throw new Error(`The expected output '${output}' is not known here.`);
  }
}
