/*
 * How well each metric agrees with people: Kendall's tau-c with the Flickr8k-Expert judgements, as the literature prints it,
 * beside the values that pycocoevalcap's scores give and that are published.
 *
 *   npx tsx scripts/expert-correlations.ts [FOLDER]     by default ../shared/data/flickr8k
 *
 * Every judged pair of a picture and another picture's caption is scored against the picture's five captions. Left out
 * are, as in the literature, the pairs whose caption is one of them (158 of 5,822). Each pair counts once per judge, three
 * times. Ends with an error where a value is not the expected one to 3 decimals.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ScoredCaption, scoreCaptions } from '../src/metrics';

const folder = process.argv[2] ?? join(import.meta.dirname, '../../shared/data/flickr8k');
const EXPECTED = { 'BLEU-1': 32.324, 'BLEU-4': 30.776, METEOR: 41.822, 'ROUGE-L': 32.314, CIDEr: 43.891 };
const PAIRS = 5664;

const captions = new Map<string, string>();
const references = new Map<string, string[]>();
for (const [key, caption] of rowsOf('Flickr8k.token.txt') as Iterable<[string, string]>) {
  const image = key.split('#')[0]!;
  captions.set(key, caption);
  references.set(image, [...(references.get(image) ?? []), caption]);
}

const pairs: ScoredCaption[] = [];
const judgements: number[][] = [];
for (const [image, key, ...judges] of rowsOf('ExpertAnnotations.txt') as Iterable<[string, string, ...string[]]>) {
  const [candidate, written] = [captions.get(key)!, references.get(image)!];
  if (written.includes(candidate)) continue;
  pairs.push({ id: pairs.length, candidate, references: written });
  judgements.push(judges.map(Number));
}
if (pairs.length !== PAIRS) throw new Error(`${folder} has ${pairs.length} pairs but should have ${PAIRS}.`);

const { corpus, segments, omitted, settings } = await scoreCaptions(pairs);
console.log(`${pairs.length} pairs x 3 judges, ${settings.version}`);
console.log('metric     tau-c   expected');
for (const [name, expected] of Object.entries(EXPECTED)) {
  if (!(name in corpus)) throw new Error(omitted[name]);
  const scores = segments.flatMap((segment, i) => judgements[i]!.map(() => segment[name] as number));
  const tau = 100 * kendallTauC(scores, judgements.flat());
  const right = tau.toFixed(3) === expected.toFixed(3);
  console.log(`${name.padEnd(8)}  ${tau.toFixed(3)}  ${expected.toFixed(3)}${right ? '' : '  differs'}`);
  if (!right) process.exitCode = 1;
}

/** Rows of tab-separated cells. */
function rowsOf(name: string): string[][] {
  const lines = readFileSync(join(folder, name), 'utf8').trimEnd().split('\n');
  return lines.map((line) => line.split('\t'));
}

/** Stuart's tau-c, which allows for ties and for unequal numbers of values: 2 m (P - Q) / (n^2 (m - 1)). */
function kendallTauC(scores: readonly number[], grades: readonly number[]): number {
  const values = [...new Set(grades)].sort((a, b) => a - b);
  const order = scores.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  const below = values.map(() => 0); // per grade, of the items with smaller scores
  let concordant = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) end++;
    const tied = order.slice(start, end).map((item) => values.indexOf(grades[item]!));
    for (const grade of tied)
      for (const [other, count] of below.entries()) concordant += Math.sign(grade - other) * count;
    for (const grade of tied) below[grade]!++;
    start = end;
  }
  const classes = Math.min(values.length, new Set(scores).size);
  return (2 * classes * concordant) / (scores.length ** 2 * (classes - 1));
}
