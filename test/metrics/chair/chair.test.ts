import { describe, expect, test } from 'vitest';
import { chair } from '../../../src/metrics/chair/chair';
import { COCO_CATEGORIES, mentionedObjects } from '../../../src/metrics/chair/objects';
import { ScoringError } from '../../../src/metrics/errors';
import { tokenizeCaption } from '../../../src/metrics/tokenizeCaption';

const named = (caption: string) => mentionedObjects(tokenizeCaption(caption)).map(({ category }) => category);

test('the categories are those of COCO: 80, the first and the last by their ids', () => {
  expect(COCO_CATEGORIES).toHaveLength(80);
  expect([COCO_CATEGORIES[0], COCO_CATEGORIES.at(-1)]).toEqual(['person', 'toothbrush']);
  for (const category of COCO_CATEGORIES) expect(named(`There is a ${category} .`), category).toEqual([category]);
});

test.each([
  ['Two men and three children ride bikes .', ['person', 'person', 'bicycle']],
  ['A puppy chases sheep near knives and geese', ['dog', 'sheep', 'knife', 'bird']],
  ['A lady eats a hot dog beside her dog', ['person', 'hot dog', 'dog']],
  ['A teddy bear and a bear', ['teddy bear', 'bear']],
  ['A man waits at a train station for buses', ['person', 'bus']],
  ['A fire truck by a hydrant', ['truck', 'fire hydrant']],
  ['A glass of wine and wine glasses', ['wine glass', 'wine glass']],
  ['A table tennis match; a dining table', ['dining table']],
  ['Skis and ski poles leaning on a ski lift', ['skis']],
  ['An orange cat eats an orange .', ['cat', 'orange']],
  ['An orange and white cat', ['cat']],
  ['A bowl of oranges and an orange on a plate', ['bowl', 'orange', 'orange']],
  ['Grass under a blue sky', []],
  ['', []],
])('%s names %j', (caption, categories) => {
  expect(named(caption)).toEqual(categories);
});

describe('chair', () => {
  const pictures = [
    { candidate: 'A dog and a cat on a couch', references: ['A puppy lies on a sofa'] }, // no cat
    { candidate: 'A man rides a horse', references: ['Someone on a pony', 'A field'] },
    { candidate: 'Two dogs chase two more dogs', references: ['A car on a road'] }, // a dog, twice
    { candidate: 'Green hills', references: ['A boy flies a kite'] },
  ];
  const measured = (some = pictures) => {
    const metric = chair();
    for (const { candidate, references } of some)
      metric.update(tokenizeCaption(candidate), { references: references.map(tokenizeCaption) });
    return metric;
  };

  test('counts mentions and captions as the paper defines them', () => {
    const { corpus, segments } = measured().compute();
    expect(corpus.CHAIRi).toBe(3 / 7);
    expect(corpus.CHAIRs).toBe(2 / 4);
    expect(segments[0]!.hallucinated).toEqual([{ category: 'cat', words: 'cat' }]);
    expect(segments[2]!.hallucinated.map(({ words }) => words)).toEqual(['dogs', 'dogs']);
    expect(segments[3]).toEqual({ mentioned: [], hallucinated: [] });
  });

  test('what annotations have is there too', () => {
    const metric = chair();
    metric.update(['a', 'cat', 'and', 'a', 'bus'], { references: [['a', 'car']], objects: ['cat'] });
    expect(metric.compute().segments[0]!.hallucinated.map(({ category }) => category)).toEqual(['bus']);
    const annotated = chair();
    annotated.update(['a', 'cat'], { objects: ['cat'] });
    expect(annotated.compute().corpus).toEqual({ CHAIRi: 0, CHAIRs: 0 });
  });

  test('shards may be measured apart', () => {
    const whole = measured(pictures.slice(0, 1));
    whole.merge(JSON.parse(JSON.stringify(measured(pictures.slice(1)).state())));
    expect(whole.compute()).toEqual(measured().compute());
  });

  test('what cannot be measured is refused', () => {
    expect(() => chair().compute()).toThrow(ScoringError);
    expect(() => chair().update(['a'], {})).toThrow(/nothing is known/);
    expect(() => chair().update(['a'], { objects: ['unicorn'] })).toThrow(/'unicorn' is none of COCO/);
  });
});
