import { expect, test } from 'vitest';
import {
  type MeteorStatistics,
  meteor,
  meteorAlignment,
  meteorScore,
  meteorStatistics,
  ScoringError,
  type Tokens,
} from '../../../src/metrics/index';
import { data } from '../meteorGoldens';
import { randomCaptions, seeded } from '../randomCaptions';

const split = (text: string): Tokens => text.split(' ');
const corpus = [
  { candidate: split('a dog runs on grass'), references: ['a brown dog runs', 'a dog runs over the lawn'].map(split) },
  { candidate: split('two cats sleep'), references: ['two cats sleep'].map(split) },
  { candidate: split('a red bus'), references: ['two red double decker buses'].map(split) },
];

test('shards that are merged score as the whole does', () => {
  const [whole, first, second] = [meteor({ data }), meteor({ data }), meteor({ data })];
  for (const [index, { candidate, references }] of corpus.entries()) {
    whole.update(candidate, references);
    (index === 0 ? first : second).update(candidate, references);
  }
  first.merge(JSON.parse(JSON.stringify(second.state())) as MeteorStatistics[]); // as between processes
  expect(first.compute()).toEqual(whole.compute());
  expect(whole.compute(), 'asking changes nothing').toEqual(whole.compute());
  const { segments, details } = whole.compute();
  expect(segments[1]!.METEOR).toBe(1);
  expect(details!.map((detail) => detail['METEOR statistics'])).toEqual(whole.state());
});

test('says what is missing', () => {
  expect(() => meteor({ data }).compute()).toThrow(ScoringError);
  expect(() => meteor({ data }).update(['a'], [])).toThrow(/no references/);
  expect(() => meteorStatistics(['a'], [], data)).toThrow(ScoringError);
});

test('without paraphrases the score has another name, and has to be asked for', () => {
  const { paraphrases: _, ...little } = data;
  const [candidate, reference] = [split('a number of boats'), split('several boats')];
  expect(meteorStatistics(candidate, [reference], data).slice(16, 20), 'paraphrases').not.toEqual([0, 0, 0, 0]);
  expect(() => meteor({ data: little })).toThrow(/would not be METEOR 1\.5.*paraphrases: false/);
  for (const some of [data, little]) {
    const metric = meteor({ data: some, paraphrases: false });
    metric.update(candidate, [reference]);
    const { corpus, segments } = metric.compute();
    expect(Object.keys(corpus)).toEqual(['METEOR (without paraphrases)']);
    expect(Object.keys(segments[0]!)).toEqual(['METEOR (without paraphrases)']);
    expect(metric.state()[0]!.slice(16, 20), 'paraphrases').toEqual([0, 0, 0, 0]);
  }
});

test('the best reference counts, the first of equals', () => {
  const candidate = split('a dog runs on grass');
  const [poor, good] = [split('two cats'), split('a dog runs on the grass')];
  const best = meteorStatistics(candidate, [good], data);
  expect(meteorStatistics(candidate, [poor, good], data)).toEqual(best);
  const [none, longer] = [split('zebra'), split('zebra quilt')]; // both score 0
  expect(meteorStatistics(candidate, [none, longer], data)[1]).toBe(1);
  expect(meteorStatistics(candidate, [longer, none], data)[1]).toBe(2);
});

test('bars vanish from a candidate and divide a reference, as in the line that pycocoevalcap writes', () => {
  const reference = split('a dog runs');
  const of = (candidate: string, references: Tokens[]) => meteorStatistics(split(candidate), references, data);
  expect(of('a ||| dog', [reference])).toEqual(of('a dog', [reference]));
  expect(of('a dog', [split('zebra ||| a dog ||| c')])).toEqual(of('a dog', [['zebra'], split('a dog'), ['c']]));
});

test('an alignment names the words and their matches', () => {
  const { candidate, reference, matches } = meteorAlignment(split("isn't a bike moved"), split('bicycles moves'), data);
  expect(candidate).toEqual(['isn', "'t", 'a', 'bike', 'moved']);
  expect(reference).toEqual(['bicycles', 'moves']);
  expect(matches).toEqual([
    { module: 2, referenceStart: 0, referenceLength: 1, candidateStart: 3, candidateLength: 1 },
    { module: 1, referenceStart: 1, referenceLength: 1, candidateStart: 4, candidateLength: 1 },
  ]);
});

test('words that share a hash in Java are the same word', () => {
  expect(meteorScore(meteorStatistics(['an', 'orange'], [['c0', 'orange']], data)).score).toBe(1);
});

test('scores lie between 0 and 1, whatever the captions hold, and no word is matched twice', () => {
  const random = seeded(11);
  for (let round = 0; round < 300; round++) {
    const [candidate, ...references] = randomCaptions(random, 4);
    const statistics = meteorStatistics(candidate!, references, data);
    const { score } = meteorScore(statistics);
    expect(score).toBeGreaterThanOrEqual(0);
    expect(score).toBeLessThanOrEqual(1);
    const alignment = meteorAlignment(candidate!, references[0]!, data);
    const taken = alignment.matches.flatMap(({ candidateStart, candidateLength }) =>
      Array.from({ length: candidateLength }, (_, i) => candidateStart + i),
    );
    expect(new Set(taken).size).toBe(taken.length);
    expect(taken.every((place) => place < alignment.candidate.length)).toBe(true);
  }
});

test('10,000 characters of one word do not hold it up', () => {
  const [endless, caption] = [Array<string>(5000).fill('a'), split('a man on a horse in a field by a lake')];
  const started = performance.now();
  expect(meteorStatistics(endless, [caption, endless], data).slice(-3)).toEqual([1, 5000, 5000]);
  expect(meteorStatistics(endless, [caption], data).slice(-3)).toEqual([4, 4, 4]);
  expect(meteorStatistics(caption, [endless], data).slice(-3)).toEqual([4, 4, 4]);
  expect(performance.now() - started).toBeLessThan(3000); // takes about 0.1 s; without care it would take minutes
});
