import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, test } from 'vitest';
import { captionWithMetadata } from '../../src/captioner/captionWithMetadata';
import {
  type MetadataOptions,
  metadataCaptions,
  metadataOf,
  metadataPrompt,
  readMetadata,
  withNames,
  withSlots,
} from '../../src/captioner/metadata';
import { UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { datasetOf } from '../../src/data/dataset';
import type { Dataset } from '../../src/data/types';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { greedy } from '../../src/decoders/search/greedy';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { memoryStore } from '../../src/io/stores';
import { captionLoss } from '../../src/training/captionLoss';
import { type EvaluateOptions, evaluate } from '../../src/training/evaluate';
import { metadataPrompted, promptedCaption } from '../../src/training/objectives/metadataPrompted';
import { adamW } from '../../src/training/optimizers';
import { constant } from '../../src/training/schedules';
import { train } from '../../src/training/train';
import { TransformerCaptioner } from '../../src/transformerCaptioner';
import { expectNoLeak } from '../helpers';
import { tinyCaptioner, tinyPicture } from '../training/tiny';

await tf.setBackend('cpu');

const fields = ['title', 'categories'];

describe('readMetadata', () => {
  test.each([
    ['Eiffel Tower', ['Eiffel Tower']],
    ['The tower of Gustave Eiffel in Paris', ['Gustave Eiffel', 'Paris']],
    ['Castles', ['Castles']], // the whole field
    ['Old castles by the sea', []], // a sentence begins with a capital
    ['Bridge over the river Kwai', ['Kwai']],
    ['Vincent van Gogh, painter', ['Vincent van Gogh']],
    ['École des Beaux-Arts', ['École des Beaux-Arts']],
    ['', []],
  ])('finds the names in %j', (title, names) => {
    expect(readMetadata({ title }, { fields }).names).toEqual(names);
  });

  test('writes fields in their order, lists one after the other, names as slots', () => {
    const metadata = { categories: ['towers in Paris', 1889, ''], title: 'Eiffel Tower', other: 'x' };
    expect(readMetadata(metadata, { fields })).toEqual({
      text: 'title nameslota categories towers in nameslotb categories 1889',
      names: ['Eiffel Tower', 'Paris'],
    });
    expect(readMetadata(metadata, { fields, maxNames: 1 }).names).toEqual(['Eiffel Tower']);
    expect(readMetadata(undefined, { fields })).toEqual({ text: '', names: [] });
  });

  test('refuses what cannot be meant', () => {
    expect(() => readMetadata({}, { fields: [] })).toThrow(UsageError);
    expect(() => readMetadata({}, { fields, maxNames: 27 })).toThrow(/26 at most/);
  });
});

test('what is told of a caption goes before what is told of its picture', () => {
  const metadata = { title: 'of the picture', width: 64, captions: [{ title: 'A' }, {}, { title: 'C' }] };
  expect(metadataOf({ metadata })).toEqual({ title: 'A', width: 64 });
  expect(metadataOf({ metadata }, 1)).toEqual({ title: 'of the picture', width: 64 });
  expect(metadataOf({ metadata }, 2)).toEqual({ title: 'C', width: 64 });
  expect(metadataOf({ metadata: { title: 'x', captions: ['own'] } })).toEqual({ title: 'x', captions: ['own'] });
  expect(metadataOf({})).toBeUndefined();
});

test('each caption is learned with what is told of it', async () => {
  const metadata = { captions: [{ title: 'Ada Lovelace' }, { title: 'Otto Bauer' }] };
  const captions = ['Ada Lovelace runs', 'Otto Bauer sleeps'];
  const pages = datasetOf([{ id: 'x', captions, split: 'train' as const, metadata }], async () => tinyPicture(1));
  const said: string[] = [];
  for await (const text of metadataCaptions(pages, { fields: ['title'] })) said.push(text);
  expect(said).toEqual(['title nameslota', 'nameslota runs', 'nameslota sleeps']);
  const example = await pages.at(0);
  const reading = { fields: ['title'], maxTokens: 24, maxNames: 4 };
  const { words } = promptedCaption(tokenizer, example, 1, { reading, maxLength: 9 });
  expect(words).toEqual(tokenizer.encode('nameslota sleeps'));
  expect(promptedCaption(tokenizer, example, 1, { reading: undefined, maxLength: 9 })).toEqual({
    prompt: [tokenizer.startId],
    words: tokenizer.encode('Otto Bauer sleeps'),
  });
});

test('names become slots and slots names, whole words alone and longer ones first', () => {
  const names = ['Paris', 'Paris Saint-Germain', 'J. (Joe) Doe'];
  const slotted = withSlots('PARIS saint-germain beat Parisians in paris for J. (Joe) Doe .', names);
  expect(slotted).toBe('nameslotb beat Parisians in nameslota for nameslotc .');
  expect(withNames(slotted, names)).toBe('Paris Saint-Germain beat Parisians in Paris for J. (Joe) Doe .');
  expect(withNames('a nameslotd in nameslota', names)).toBe('a in Paris');
});

/** Everybody does what the title says of another picture; the picture tells nothing. */
const people = ['Ada Lovelace', 'Otto Bauer', 'Mary of Scots', 'Jan Vermeer'];
const records = people.flatMap((name, i) =>
  ['runs', 'sleeps'].map((verb) => ({
    id: `${name} ${verb}`,
    captions: [`${name} ${verb} on grass`],
    split: 'train' as const,
    metadata: { title: name, categories: [verb === 'runs' ? 'sport' : 'rest'], place: i },
  })),
);
const data: Dataset = datasetOf(records, async () => tinyPicture(1));
const options: MetadataOptions = { fields };
const tokenizer = await WordTokenizer.fromCaptions(metadataCaptions(data, options), { minCount: 1 });
const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
afterAll(() => encoder.dispose());

test('a prompt is the metadata between start tokens, cut, or the start token alone', () => {
  const { startId } = tokenizer;
  const words = tokenizer.encode('title nameslota categories sport');
  expect(metadataPrompt(tokenizer, { text: 'title nameslota categories sport' })).toEqual([startId, ...words, startId]);
  expect(metadataPrompt(tokenizer, { text: 'title nameslota' }, { maxTokens: 1 })).toEqual([
    startId,
    words[0],
    startId,
  ]);
  expect(metadataPrompt(tokenizer, { text: '' })).toEqual([startId]);
});

test('a captioner learns to read metadata, takes over names that it has never seen, and works without', () =>
  expectNoLeak(async () => {
    const sizes = { hiddenSize: 16, numHeads: 2, numLayers: 1, encoderLayers: 0, maxPositions: 24 };
    const generation = { maxLength: 6 };
    const metadata = { ...options, maxTokens: 8 };
    const captioner = TransformerCaptioner.create({
      encoder,
      tokenizer,
      metadata,
      generation,
      ...sizes,
      dropout: 0,
      seed: 2,
    });
    const optimizer = adamW(1e-2);
    const how = { optimizer, epochs: 40, batchSize: 8, captionsPerImage: 1, schedule: constant(), seed: 3 };
    const objective = metadataPrompted({ ...metadata, dropRate: 0.3 });
    let last = Number.NaN;
    for await (const { loss } of train(captioner, data, { ...how, objective, doublyStochastic: 0 })) last = loss;
    expect(last).toBeLessThan(0.6); // without metadata nobody knows who does what: log(8) for a third of the captions' first words
    const pictures = [1, 1, 1, 1].map(tinyPicture);
    const features = await captioner.encode(pictures);
    const known = [
      { title: 'Grace Hopper', categories: ['sport'] },
      { title: 'Ole-Johan Dahl', categories: 'rest' },
      undefined,
      { title: 'Ada Lovelace', categories: ['rest'] },
    ];
    const said = await captionWithMetadata(captioner, features, known, { search: greedy() });
    expect(said[0]!.text).toBe('Grace Hopper runs on grass');
    expect(said[1]!.words).toEqual(['Ole-Johan Dahl', 'sleeps', 'on', 'grass']);
    expect(said[2]!.text, 'no slot without a name').not.toContain('nameslot');
    expect(said[3]!.text).toBe('Ada Lovelace sleeps on grass');
    await expect(captionWithMetadata(captioner, features, [undefined])).rejects.toThrow(/1 pictures for 4/);

    // It is evaluated with the metadata of the examples, unless that is kept from it, and says what it reads when it is loaded.
    const scored = { search: greedy(), metrics: ['bleu' as const] };
    const texts = async (more: EvaluateOptions = {}) =>
      (await evaluate(captioner, data, { ...scored, ...more })).captions.map(({ caption }) => caption);
    expect(await texts()).toEqual(records.map(({ captions }) => captions[0]));
    expect(new Set(await texts({ metadata: false })).size).toBe(1);
    expect(await captionLoss(captioner, data)).toBeLessThan(0.05);
    const store = memoryStore();
    await captioner.save(store);
    const restored = await TransformerCaptioner.load(store);
    expect(restored.metadata).toEqual({ ...options, maxTokens: 8, maxNames: 4 });
    const again = await captionWithMetadata(restored, features, known, { search: greedy() });
    expect(again.map(({ text }) => text)).toEqual(said.map(({ text }) => text));
    restored.dispose();
    features.dispose();
    optimizer.dispose();
    captioner.dispose();
  }));

test('nothing of the prompt is learned', async () => {
  const objective = metadataPrompted({ ...options, dropRate: 0 });
  const captioner = TransformerCaptioner.create({ encoder, tokenizer, hiddenSize: 8, numHeads: 2 });
  const examples = [await data.at(0), await data.at(3)];
  const { captions } = await objective.lesson({
    ...{ captioner, examples, captionsPerImage: 1, labelSmoothing: 0, random: new Random(1), signal: undefined },
    features: tf.zeros([2, 4, 5]),
    captions: undefined as never,
  });
  const words = examples.map((_, i) => tokenizer.encode(`nameslota ${['runs', 'sleeps'][i]} on grass`));
  expect([...captions.targets]).toEqual(words.flatMap((ids) => [...ids, tokenizer.endId]));
  const { time, inputs, wanted, mask } = captions;
  expect([...inputs.subarray(0, 6)]).toEqual([
    tokenizer.startId,
    ...tokenizer.encode('title nameslota categories sport'),
    tokenizer.startId,
  ]);
  expect([...wanted]).toEqual([5, 6, 7, 8, 9, 5, 6, 7, 8, 9].map((t, i) => (i < 5 ? t : time + t)));
  expect([...mask].flatMap((one, place) => (one ? [place] : []))).toEqual([...wanted]);
  captioner.dispose();
});

test('a captioner without a transformer, and rates that cannot be meant, are refused', async () => {
  const captioner = tinyCaptioner();
  const features = tf.zeros<tf.Rank.R3>([1, 4, 5]);
  await expectNoLeak(() =>
    expect(captionWithMetadata(captioner, features, [undefined], options)).rejects.toThrow(UsageError),
  );
  expect(() => metadataPrompted({ ...options, dropRate: 2 })).toThrow(UsageError);
  expect(() => TransformerCaptioner.create({ encoder, tokenizer, metadata: { ...options, maxTokens: 60 } })).toThrow(
    /maxPositions is 64 but 60 tokens of metadata and 20 of a caption need 82/,
  );
  const plain = TransformerCaptioner.create({ encoder, tokenizer, hiddenSize: 8, numHeads: 2 });
  await expect(captionWithMetadata(plain, features, [{ title: 'x' }])).rejects.toThrow(/was trained to read metadata/);
  plain.dispose();
  const other = TransformerCaptioner.create({
    encoder,
    tokenizer,
    hiddenSize: 8,
    numHeads: 2,
    metadata: { fields: ['title'] },
  });
  const taught = train(other, data, { objective: metadataPrompted(options), doublyStochastic: 0 });
  await expect(taught.next()).rejects.toThrow(/made to read the metadata/);
  for (const given of [{ wordDropout: 0.1 }, { maxLength: 12 }, { scheduledSampling: () => 0.1 }])
    await expect(
      train(captioner, data, { objective: metadataPrompted(options), doublyStochastic: 0, ...given }).next(),
    ).rejects.toThrow(/but this objective lays them out itself/);
  other.dispose();
  features.dispose();
  captioner.dispose();
  captioner.encoder.dispose();
});
