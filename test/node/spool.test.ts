import { expect, test } from 'vitest';
import type { Entry } from '../../src/data/layouts/entry';
import { CaptionIndex } from '../../src/node/captionIndex';
import { PictureOpener } from '../../src/node/openPicture';
import { Spool } from '../../src/node/spool';

test.each([0, 1000, 3e5])('records come back from memory and from disk: %i bytes of memory', (memory) => {
  const spool = new Spool(memory);
  const text = (index: number) => `${index} ${'é'.repeat((index * 37) % 500)}`;
  const places = Array.from({ length: 4000 }, (_, index) => spool.append(text(index)));
  expect(spool.size).toBeGreaterThan(1e6);
  expect(places.every((place, index) => spool.read(place) === text(index))).toBe(true);
  const anywhere = places.map((_, i) => (i * 7919) % places.length);
  expect(anywhere.every((index) => spool.read(places[index]!) === text(index))).toBe(true);
  const large = spool.append('x'.repeat(3e6));
  expect(spool.read(large)).toHaveLength(3e6);
  expect(spool.read(places[0]!)).toBe(text(0));
  expect(spool.read(spool.append('after'))).toBe('after');
});

test('rows of a picture are put together in their order, wherever they lie', () => {
  const index = new CaptionIndex(new Spool(100));
  const row = (id: string, captions: string[], more: Partial<Entry> = {}): Entry => ({
    id,
    captions,
    where: 'f',
    ...more,
  });
  for (let round = 0; round < 3; round++)
    for (let picture = 0; picture < 300; picture++)
      index.add(
        row(
          `${picture}`,
          [`${picture} ${round}a`, `${picture} ${round}b`],
          round === 1 ? { picture: { file: `${picture}.jpg` } } : {},
        ),
      );
  expect([index.size, index.captions, index.captionsOf(7), index.hasPicture(7)]).toEqual([300, 1800, 6, true]);
  const { captions, metadata } = index.read(7, 'train', new PictureOpener());
  expect(captions).toEqual(['7 0a', '7 0b', '7 1a', '7 1b', '7 2a', '7 2b']);
  expect(metadata).toEqual({ file: '7.jpg' });
});

test('what rows tell is kept: the first word on a picture counts, and each caption has its own', () => {
  const index = new CaptionIndex();
  const row = (captions: string[], more: Partial<Entry>): Entry => ({ id: 'x', captions, where: 'f', ...more });
  expect(
    index.add(
      row(['a'], {
        metadata: { title: 'one', page: 1 },
        captionMetadata: [{ language: 'en' }],
        picture: { url: 'http://x' },
      }),
    ),
  ).toBeUndefined();
  expect([index.hasPicture(0), index.isAtAddress(0)]).toEqual([false, true]);
  expect(
    index.add(row(['b', 'c'], { metadata: { title: 'two', more: 2 }, picture: { file: 'x.jpg' }, split: 'dev' })),
  ).toBeUndefined();
  expect([index.hasPicture(0), index.splitOf(0)]).toEqual([true, 'dev']);
  expect(index.add(row(['d'], { picture: { file: 'y.jpg' } }))).toMatch(/has another picture than the first row of x/);
  expect(index.add(row(['e'], { split: 'train' }))).toBe('puts x into train, a row before into dev; it is in dev');
  const { captions, metadata } = index.read(0, 'dev', new PictureOpener());
  expect(captions).toEqual(['a', 'b', 'c', 'e']);
  expect(metadata).toEqual({
    title: 'one',
    page: 1,
    more: 2,
    file: 'x.jpg',
    captions: [{ language: 'en' }, {}, {}, {}],
  });
});
