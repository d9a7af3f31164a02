import { expect, test } from 'vitest';
import { bleu, cider, documentFrequencies, rougeL, ScoringError, type Tokens } from '../../src/metrics/index';

const split = (text: string): Tokens => text.split(' ');
const corpus = [
  { candidate: split('a dog runs on grass'), references: ['a brown dog runs', 'a dog runs over the grass'].map(split) },
  { candidate: split('two cats sleep'), references: ['two cats asleep on a bed', 'cats sleep'].map(split) },
  { candidate: split('a red bus'), references: ['a red double decker bus'].map(split) },
];

const makers = { bleu, rougeL, cider, 'cider (original)': () => cider({ variant: 'original' }) };

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: shards that are merged score as the whole does`, () => {
    const [whole, first, second] = [make(), make(), make()];
    for (const [index, { candidate, references }] of corpus.entries()) {
      whole.update(candidate, references);
      (index === 0 ? first : second).update(candidate, references);
    }
    // Through JSON, as between processes.
    // biome-ignore lint/suspicious/noExplicitAny: states differ between the metrics of this loop
    first.merge(JSON.parse(JSON.stringify(second.state())) as any);
    expect(first.compute()).toEqual(whole.compute());
    expect(whole.compute(), 'asking changes nothing').toEqual(whole.compute());
    expect(whole.compute().segments).toHaveLength(3);
  });

  test(`${name}: says what is missing`, () => {
    expect(() => make().compute()).toThrow(ScoringError);
    expect(() => make().update(['a'], [])).toThrow(/no references/);
  });
}

test('no-break spaces split tokens for BLEU and CIDEr, not for ROUGE-L', () => {
  const joined = ['1\u00a01/2', 'pizzas'];
  const apart = [['1', '1/2', 'pizzas']];
  const score = bleu();
  score.update(joined, apart);
  expect(score.compute().corpus['BLEU-3']).toBeCloseTo(1, 8);
  const other = rougeL();
  other.update(joined, apart);
  expect(other.compute().corpus['ROUGE-L']).toBeLessThan(0.5);
});

test('CIDEr with the document frequencies of its own corpus is CIDEr', () => {
  const saved = JSON.stringify(documentFrequencies(corpus.map(({ references }) => references)));
  const [own, given] = [cider(), cider({ documentFrequencies: JSON.parse(saved) })];
  for (const { candidate, references } of corpus) {
    own.update(candidate, references);
    given.update(candidate, references);
  }
  expect(own.compute().corpus.CIDEr).toBeGreaterThan(0.5);
  expect(given.compute()).toEqual(own.compute());
});

test('given frequencies score a single image, which alone scores 0', () => {
  const frequencies = documentFrequencies(corpus.map(({ references }) => references));
  const [alone, given] = [cider(), cider({ documentFrequencies: frequencies })];
  const { candidate, references } = corpus[0]!;
  alone.update(candidate, references);
  given.update(candidate, references);
  expect(alone.compute().corpus.CIDEr).toBe(0);
  const whole = cider();
  for (const caption of corpus) whole.update(caption.candidate, caption.references);
  expect(given.compute().segments[0]).toEqual(whole.compute().segments[0]);
});

test('document frequencies keep words that are names of object properties', () => {
  const references = [[['constructor', '__proto__', 'toString']], [['a']]];
  const { images, counts } = JSON.parse(JSON.stringify(documentFrequencies(references)));
  expect(images).toBe(2);
  expect(Object.entries(counts)).toContainEqual(['__proto__', 1]);
  expect(() => cider({ documentFrequencies: { images: 0, counts: {} } })).toThrow(ScoringError);
});

test('no score is NaN, whatever is empty', () => {
  for (const [name, make] of Object.entries(makers)) {
    const metric = make();
    metric.update([], [[]]);
    metric.update([], [['a', 'dog']]);
    metric.update(['a', 'dog'], [[]]);
    const { corpus: whole, segments } = metric.compute();
    for (const scores of [whole, ...segments])
      for (const value of Object.values(scores)) expect(Number.isFinite(value), name).toBe(true);
  }
});
