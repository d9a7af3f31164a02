import { expect, test } from 'vitest';
import { type CaptionRule, captionRules, fingerprint, wikipediaRules } from '../../src/data/captionRules';
import { cleanCaptions, withoutExamples } from '../../src/data/cleaning';
import { type CaptionRecord, datasetOf } from '../../src/data/dataset';
import type { PixelImage } from '../../src/data/types';
import { languageDetector } from '../../src/node/languageDetector';
import { collect } from './collect';

const pixel: PixelImage = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 };
const set = (entries: Record<string, string[]>, metadata?: CaptionRecord['metadata']) =>
  datasetOf(
    Object.entries(entries).map(([id, captions]) => ({
      id,
      captions,
      split: 'train' as const,
      ...(metadata && { metadata }),
    })),
    async () => pixel,
  );

/** The name of the rule that drops a caption, if any does. */
async function droppedBy(caption: string, rules: readonly CaptionRule[]): Promise<string | undefined> {
  const { report } = await cleanCaptions(set({ a: [caption] }), rules);
  return report.dropped.find(({ count }) => count > 0)?.rule;
}

test.each<[string, string | undefined]>([
  ['A dog runs through the grass .', undefined],
  ['Two dogs play in 12" of snow', undefined],
  ['The dog’s toy (a red ball) is “lost” in 1943', undefined],
  ['一只棕色的狗在草地上奔跑', undefined],
  ['Aaah, a very, very, very big dog', undefined],
  ['', 'junk'],
  ['12 34 !!', 'junk'],
  ['A dog <b>runs</b> there', 'junk'],
  ['A dog &amp; a cat here', 'junk'],
  ['See http://example.org/dog for more', 'junk'],
  ['un chien sur lâ€™herbe verte', 'junk'],
  ['A dog runs \ufffd in the grass', 'junk'],
  ['A dooooooog runs in the grass', 'junk'],
  ['dog dog dog dog in the grass', 'junk'],
  ['IMG_1234', 'file name'],
  ['DSC00012', 'file name'],
  ['File:Dog in the sun.jpg', 'file name'],
  ['A nice dog.PNG', 'file name'],
  ['12 May 1943', 'date'],
  ['c. 1900', 'date'],
  ['2005-03-01', 'junk'],
  ['in the early 1920s', 'date'],
  ['Click to enlarge', 'boiler-plate'],
  ['Image not available', 'boiler-plate'],
  ['Photo: Getty Images', 'boiler-plate'],
  ['Coat of arms', 'boiler-plate'],
  ['A sign says "stop in the street', 'unbalanced quotes'],
  ['A dog (brown runs there', 'unbalanced quotes'],
  ['A dog', 'too short'],
  [Array.from({ length: 61 }, (_, i) => `word${String.fromCharCode(97 + (i % 26))}`).join(' '), 'too long'],
])('%j is dropped as %s', async (caption, rule) => {
  expect(await droppedBy(caption, captionRules())).toBe(rule);
});

test("Wikipedia's captions: markup, and the language that the table tells", async () => {
  expect(await droppedBy('A dog in [[Paris]] at night', wikipediaRules())).toBe('markup');
  const captions = ['A dog runs there', 'Ein Hund rennt dort', 'A cat sits there'];
  const metadata = { captions: [{ language: 'en' }, { language: 'de' }, { language: 'en' }] };
  const { data, report } = await cleanCaptions(set({ a: captions }, metadata), wikipediaRules({ languages: ['en'] }));
  expect(report.dropped[0]).toEqual({
    rule: 'language column',
    count: 1,
    examples: [{ id: 'a', caption: 'Ein Hund rennt dort', why: 'is in de' }],
  });
  const example = await data.at(0);
  expect(example.captions).toEqual([captions[0], captions[2]]);
  expect(example.metadata).toEqual({ captions: [{ language: 'en' }, { language: 'en' }] });
});

test('another language is told by its letters, and short captions are given the benefit of the doubt', async () => {
  const rules = captionRules({ leastWords: 1, languages: ['en'], detectLanguage: await languageDetector() });
  const dropped = async (captions: string[]) =>
    (await Promise.all(captions.map((caption) => droppedBy(caption, rules)))).map((rule) => rule === 'other language');
  expect(
    await dropped(['Ein Hund rennt durch das Gras', 'Un chien court dans l’herbe', 'собака бежит по траве']),
  ).toEqual([true, true, true]);
  expect(await dropped(['A dog runs through the grass', 'man in red shirt', 'Two men', 'Statue of Lenin'])).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect(() => captionRules({ languages: ['en'] })).toThrow(/languages needs detectLanguage/);
});

test('duplicates of a picture, and what stands on many pictures, in other words or not', async () => {
  const entries = Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [
      `p${i}`,
      [`The view, of city ${i} at night!`, 'Night view of the city 12', `Only picture ${'abcdefgh'[i]} has this`],
    ]),
  );
  const dropped: string[] = [];
  const { data, report } = await cleanCaptions(
    set({ ...entries, q: ['A dog runs there', 'a dog runs there .', 'A cat sits there'] }),
    captionRules({ mostPictures: 5 }),
    {
      onDrop: ({ id, rule }) => dropped.push(`${id} ${rule}`),
      examples: 2,
    },
  );
  const count = Object.fromEntries(report.dropped.map(({ rule, count }) => [rule, count]));
  expect(count).toMatchObject({ duplicate: 9, 'on many pictures': 8, 'too short': 0 });
  expect(report).toMatchObject({ captions: 27, kept: 10, pictures: 9, picturesLeftOut: 0 });
  expect(report.dropped.find(({ rule }) => rule === 'duplicate')!.examples).toHaveLength(2);
  expect(dropped).toHaveLength(17);
  expect((await data.at(8)).captions).toEqual(['A dog runs there', 'A cat sits there']);
  expect((await collect(data.captions())).length).toBe(10);
});

test('what is left out is not lost: the data set that was given has all', async () => {
  const original = set({ a: ['A dog runs there', 'x'], b: ['y'], c: ['A cat sits there'] });
  const { data, report } = await cleanCaptions(original, captionRules());
  expect([data.size, data.ids, report.picturesLeftOut]).toEqual([2, ['a', 'c'], 1]);
  expect((await collect(data)).map(({ captions }) => captions)).toEqual([['A dog runs there'], ['A cat sits there']]);
  await expect(data.at(2)).rejects.toThrow(/no example 2: the data set has 2/);
  expect(await collect(original.captions())).toHaveLength(4);
  expect(withoutExamples(original, new Set(['b', 'none'])).ids).toEqual(['a', 'c']);
});

test('a fingerprint is of the words that matter', () => {
  expect(fingerprint('The dog, in a park 12.')).toBe(fingerprint('Park of dogs 99'.replace('dogs', 'dog')));
  expect(fingerprint('A dog')).not.toBe(fingerprint('A cat'));
  expect(fingerprint('on the')).not.toBe('');
});
