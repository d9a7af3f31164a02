import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors';
import { bleu, cider, documentFrequencies, meteor, type Tokens, tokenizeCaption } from '../../src/metrics/index';
import {
  bleuReward,
  ciderReward,
  END_WORD,
  meteorReward,
  mixedReward,
  parseReward,
  type RewardedCaption,
  rewardFrequencies,
  rewardOf,
} from '../../src/training/rewards';
import { data as meteorData } from '../metrics/meteorGoldens';
import { tinyData, tinyRecords } from './tiny';

const tokensOf = (captions: readonly string[]) => captions.map(tokenizeCaption);
const withEnd = (tokens: Tokens) => [...tokens, END_WORD];

const references = tokensOf(['A brown dog runs on the grass.', 'the dog runs', "a man's dog is running"]);
const captions: RewardedCaption[] = [
  { tokens: tokenizeCaption('a dog runs on the grass'), ended: true },
  { tokens: tokenizeCaption('a dog runs on the'), ended: false },
  { tokens: tokenizeCaption('a brown dog runs on the grass'), ended: true },
  { tokens: [], ended: true },
  { tokens: [], ended: false },
];
const said = ({ tokens, ended }: RewardedCaption) => (ended ? withEnd(tokens) : tokens);

const frequencies = await rewardFrequencies(tinyData);

describe('the end token', () => {
  test('is a word that no caption has', () => {
    expect(tokenizeCaption(`the ${END_WORD} of it`)).not.toContain(END_WORD);
  });

  test('is counted in the document frequencies, once for every picture', () => {
    const corpus = tinyRecords.map((record) => tokensOf(record.captions).map(withEnd));
    expect(frequencies).toEqual(documentFrequencies(corpus));
    expect(frequencies.counts[END_WORD]).toBe(tinyRecords.length);
  });

  test.each([
    ['CIDEr-D', ciderReward(frequencies)],
    ['BLEU', bleuReward()],
  ] as const)('makes %s pay for a caption that breaks off', (_, reward) => {
    const tokens = tokenizeCaption('a brown dog runs on the grass');
    const [whole, broken] = reward(
      [
        { tokens, ended: true },
        { tokens, ended: false },
      ],
      references,
    );
    expect(broken).toBeLessThan(whole!);
  });
});

describe('rewards are those of the metrics', () => {
  test('CIDEr-D, of captions and references with the end word', () => {
    const metric = cider({ documentFrequencies: frequencies });
    for (const caption of captions) metric.update(said(caption), references.map(withEnd));
    const expected = metric.compute().segments.map(({ CIDEr }) => CIDEr);
    expect(ciderReward(frequencies)(captions, references)).toEqual(expected);
    expect(expected[0]).toBeGreaterThan(0.5);
  });

  test.each([1, 2, 3, 4] as const)('BLEU-%i, of captions and references with the end word', (order) => {
    const metric = bleu();
    for (const caption of captions) metric.update(said(caption), references.map(withEnd));
    const expected = metric.compute().segments.map((scores) => scores[`BLEU-${order}`]);
    expect(bleuReward(order)(captions, references)).toEqual(expected);
  });

  test('METEOR, without the end word', () => {
    const metric = meteor({ data: meteorData });
    for (const { tokens } of captions) metric.update(tokens, references);
    const expected = metric.compute().segments.map(({ METEOR }) => METEOR);
    expect(meteorReward(meteorData)(captions, references)).toEqual(expected);
  });

  test('mixed by their weights', () => {
    const parts = [
      { reward: ciderReward(frequencies), weight: 1 },
      { reward: bleuReward(), weight: 0.5 },
    ];
    const [a, b] = parts.map(({ reward }) => reward(captions, references));
    const expected = captions.map((_, i) => a![i]! + 0.5 * b![i]!);
    expect(mixedReward(parts)(captions, references)).toEqual(expected);
    expect(rewardOf('cider+0.5*bleu', { frequencies })(captions, references)).toEqual(expected);
  });
});

describe('the names of rewards', () => {
  test('are metrics, joined by + with weights', () => {
    expect(parseReward('cider')).toEqual([{ name: 'cider', weight: 1 }]);
    expect(parseReward('CIDEr + 0.5 * bleu + 2*meteor+1e-1*bleu1')).toEqual([
      { name: 'cider', weight: 1 },
      { name: 'bleu', weight: 0.5 },
      { name: 'meteor', weight: 2 },
      { name: 'bleu1', weight: 0.1 },
    ]);
  });

  test.each(['', 'cider+', 'spice', '0*cider', '-1*cider', '1..2*cider', 'cider*0.5', 'bleu5', 'cider bleu'])(
    "'%s' is refused",
    (text) => {
      expect(() => parseReward(text)).toThrow(UsageError);
      expect(() => parseReward(text)).toThrow(/cannot be read at .*cider\+0\.5\*bleu/);
    },
  );

  test('that need something say who makes it', () => {
    expect(() => rewardOf('cider', {})).toThrow(/needs frequencies, which rewardFrequencies\(data\) makes/);
    expect(() => rewardOf('bleu+meteor', {})).toThrow(/needs meteorData, which loadMeteorData\(\) makes/);
  });
});
