import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { joinWords, normaliseCaption } from '../../src/data/normalise';

// What the Penn Treebank tokenizer of the metrics makes of these captions, punctuation left out, written down by its
// published rules: words learnt from captions then score as they are.
test.each([
  ['A child in a pink dress .', 'a child in a pink dress'],
  ["A dog's T-shirt, isn't wet.", "a dog 's t-shirt is n't wet"],
  ["A child 's toy", "a child 's toy"],
  ["The boys' dogs can't swim", "the boys dogs ca n't swim"],
  ["They're in the rock'n'roll museum at 5 o'clock", "they 're in the rock'n'roll museum at 5 o'clock"],
  ['a snow-covered hill -- two - dogs', 'a snow-covered hill two dogs'],
  ['about 1,000 people , 3.5 metres', 'about 1,000 people 3.5 metres'],
  ['At 6:40PM the T.V. is on in the U.S.A.', 'at 6:40 pm the t.v. is on in the u.s.a.'],
  ['jersey #12 (blue); "stop"', 'jersey 12 blue stop'],
  ["'Hello'  \t\n there", 'hello there'],
  [' ., !', ''],
])('%j is normalised', (caption, expected) => {
  expect(normaliseCaption(caption)).toBe(expected);
});

test('what looks the same becomes the same', () => {
  expect(normaliseCaption('dog\u2019s')).toBe("dog 's");
  expect(normaliseCaption('cafe\u0301')).toBe(normaliseCaption('caf\u00e9'));
  expect(normaliseCaption('\uff24\uff2f\uff27 \ufb01sh')).toBe('dog fish');
  expect(normaliseCaption('a\u00a0dog')).toBe('a dog');
  expect(normaliseCaption('t\u2011shirt sun\u00adset')).toBe('t-shirt sunset');
});

test('letters of other scripts stay, marks and joiners included', () => {
  expect(normaliseCaption('Собака, бежит! कुत्ता می\u200cرود')).toBe('собака бежит कुत्ता می\u200cرود');
});

test('options change what they say', () => {
  const caption = 'Two T-Shirts, 2 dogs and 14 cats ( red ) at 10:30.';
  expect(normaliseCaption(caption, { lowerCase: false })).toBe('Two T-Shirts 2 dogs and 14 cats red at 10:30');
  expect(normaliseCaption(caption, { punctuation: 'keep' })).toBe(
    'two t-shirts , 2 dogs and 14 cats ( red ) at 10:30 .',
  );
  expect(normaliseCaption(caption, { numbers: 'spell' })).toBe('two t-shirts two dogs and 14 cats red at 10:30');
  expect(normaliseCaption(caption, { numbers: 'drop' })).toBe('two t-shirts dogs and cats red at');
  expect(normaliseCaption(caption, { hyphens: 'split' })).toBe('two t shirts 2 dogs and 14 cats red at 10:30');
  expect(normaliseCaption('\ufb01sh', { unicode: 'NFC' })).toBe('\ufb01sh');
  expect(normaliseCaption('wait ... no', { punctuation: 'keep' })).toBe('wait ... no');
});

test('normalising twice changes nothing', () => {
  for (const caption of ["A dog's T-shirt, isn't wet.", "can't o'clock 3.5", 'Two "big" snow-covered hills'])
    expect(normaliseCaption(normaliseCaption(caption))).toBe(normaliseCaption(caption));
});

test('joined words read as written', () => {
  for (const text of ["a dog's bone", "it isn't wet", "they can't swim", "a boy's t-shirt, wet (red) and blue."])
    expect(joinWords(normaliseCaption(text, { punctuation: 'keep' }).split(' '))).toBe(text);
});

const corpus = join(process.env.GOLDEN_METRICS ?? '../shared/goldens/metrics', 'tokenize_corpus.json.gz');
test.skipIf(!existsSync(corpus))(
  'captions give the words of the PTB tokenizer (skipped where its output is not at hand)',
  () => {
    const rows = JSON.parse(gunzipSync(readFileSync(corpus)).toString()) as { text: string; tokens: string }[];
    const isWord = (token: string) => /[\p{L}\p{N}]/u.test(token) && !/^-[lr][rsc]b-$/.test(token);
    const agree = rows.filter(
      ({ text, tokens }) => normaliseCaption(text) === tokens.split(' ').filter(isWord).join(' '),
    ).length;
    // The rest is on purpose: `beige/white` and `ground.A` are two words here, `Ave.` has no point.
    expect(agree / rows.length).toBeGreaterThan(0.99);
  },
);
