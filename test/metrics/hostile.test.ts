import { describe, expect, test } from 'vitest';
import {
  bleu,
  cider,
  diversity,
  loadMeteorData,
  meteor,
  rougeL,
  type Tokens,
  tokenizeCaption,
  tokenizeLine,
} from '../../src/metrics/index';
import { hostileString, repetitions } from './hostileCaptions';
import { seeded } from './randomCaptions';

type Numbers = Record<string, number>;
type AnyMetric = {
  update(candidate: Tokens, references: readonly Tokens[]): void;
  compute(): { corpus: Numbers; segments: readonly Numbers[] };
};

const data = await loadMeteorData();

const METRICS: Record<string, () => AnyMetric> = {
  bleu,
  meteor: () => meteor({ data }),
  rougeL,
  cider,
  'cider (original)': () => cider({ variant: 'original' }),
  diversity: ofSets,
};

/** Diversity, of the candidate and its references as the captions of one image. */
function ofSets(): AnyMetric {
  const metric = diversity();
  return { update: (candidate, references) => metric.update([candidate, ...references]), compute: metric.compute };
}

/** Metrics whose time for two long captions is the product of both lengths. */
const PRODUCT = ['rougeL', 'meteor'];

const STRINGS = 100_000;
/** In characters. */
const LONG = 10_000;

const random = seeded(1);
const strings = Array.from({ length: STRINGS }, () => hostileString(random));
const plain: Tokens = ['a', 'dog', 'runs', 'on', 'the', 'grass'];
let captions: Tokens[] = [];

test(`the tokenizer reads ${STRINGS} hostile strings and gives no empty token`, () => {
  captions = strings.map(tokenizeCaption);
  const tokens = [captions, strings.map((text, index) => tokenizeLine(text, strings[index + 1]))].flat(2);
  expect(tokens.filter((token) => typeof token !== 'string' || token === '')).toEqual([]);
  // Neither everything nor nothing is lost.
  expect(tokens.length).toBeGreaterThan(6 * STRINGS);
});

for (const [name, make] of Object.entries(METRICS)) {
  test(`${name}: numbers for ${STRINGS} hostile strings, for empty captions and for ${LONG} characters`, () => {
    const metric = make();
    for (let i = 0; i < captions.length; i += 4) metric.update(captions[i]!, captions.slice(i + 1, i + 4));
    for (const caption of [[], ...repetitions(random, 0).map((text) => tokenizeCaption(text(LONG)))]) {
      metric.update(caption, [plain, caption]);
      metric.update(plain, [caption, []]);
      metric.update([], [caption]);
    }
    const { corpus, segments } = metric.compute();
    const values = [corpus, ...segments].flatMap((scores) => Object.values(scores));
    expect(values.filter((value) => !Number.isFinite(value) || value < 0 || value > 10 + 1e-9)).toEqual([]);
  });
}

/** Captions of so many characters; most have as many tokens, since words without end have other rules. */
const LONG_CAPTIONS: Record<string, (length: number) => Tokens> = {
  'one word': (length) => new Array<string>(length).fill('a'),
  'few words': (length) => Array.from({ length }, () => 'abcdef'[Math.floor(6 * random())]!),
  'different words': (length) => Array.from({ length }, (_, index) => String.fromCharCode(index + 0x4e00)),
  'long words': (length) => Array.from({ length: Math.sqrt(length) }, () => 'ab'.repeat(Math.sqrt(length) / 2)),
};

/** How many times as long 8 times the length may take: 8 is proportional, 64 quadratic. */
const MOST = 24;

/**
 * Times for a length and for 8 times as much, in milliseconds of the processor: the quickest of several runs, which other
 * programs on the machine hardly change. It measures on while the second looks too long, since a quick run is proof that it is
 * not.
 */
function timesOf(prepare: (length: number) => () => unknown, length: number): [number, number] {
  const runs = [prepare(length), prepare(8 * length)];
  const times: [number, number] = [Infinity, Infinity];
  for (let attempt = 0; attempt < 40 && (attempt < 3 || times[1] > MOST * times[0]); attempt++)
    for (const [index, run] of runs.entries()) {
      const before = process.cpuUsage();
      run();
      const { user, system } = process.cpuUsage(before);
      times[index] = Math.min(times[index]!, (user + system) / 1000);
    }
  return times;
}

function expectProportional([once, eightTimes]: [number, number], what: string): void {
  expect(eightTimes / once, `${what}: ${once.toFixed(2)} ms and ${eightTimes.toFixed(2)} ms`).toBeLessThan(MOST);
}

describe('8 times the length takes far less than 64 times as long', () => {
  const families = repetitions(random, 20);
  test(`the tokenizer, on ${families.length} kinds of strings of up to ${LONG} characters`, () => {
    for (const text of families) {
      const prepare = (length: number) => {
        const caption = text(length);
        return () => tokenizeCaption(caption);
      };
      expectProportional(timesOf(prepare, LONG / 8), JSON.stringify(text(20)));
    }
  });

  for (const [name, make] of Object.entries(METRICS))
    for (const [what, caption] of Object.entries(LONG_CAPTIONS))
      test(`${name}, on ${what}`, () => {
        const prepare = (length: number) => {
          const [one, other] = [caption(length), caption(length)];
          return () => {
            const metric = make();
            metric.update(one, [plain, plain]);
            metric.update(plain, [one, other]);
            if (!PRODUCT.includes(name)) metric.update(one, [other]);
            return metric.compute();
          };
        };
        expectProportional(timesOf(prepare, LONG / 8), what);
      });
});
