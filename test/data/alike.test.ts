import { expect, test } from 'vitest';
import { Random } from '../../src/core/random';
import { alike, firstAlike } from '../../src/data/alike';
import { hashDistance } from '../../src/data/perceptualHash';

const at = (hashes: Uint32Array, place: number) => hashes.subarray(place * 4, place * 4 + 4);

/** Bits of which a share is 1; and of some hashes copies with up to 12 bits changed, behind. */
function hashesOf(count: number, copies: number, share: number, seed: number): Uint32Array {
  const hashes = new Uint32Array((count + copies) * 4);
  const flip = (place: number, bit: number) => {
    hashes[place * 4 + (bit >> 5)]! ^= 1 << (bit & 31);
  };
  const draws = new Random(seed).uniform(count * 128);
  for (const [i, draw] of draws.entries()) if (draw < share) flip(i >> 7, i & 127);
  for (let i = 0; i < copies; i++) {
    hashes.copyWithin((count + i) * 4, i * 4, i * 4 + 4);
    for (const draw of new Random(i).fork('bits').uniform(i % 13)) flip(count + i, Math.floor(draw * 128));
  }
  return hashes;
}

/** All pairs, compared one with the other; those that have no structure are left out. */
function bruteForce(hashes: Uint32Array, distance: number): string[] {
  const bits = Array.from({ length: hashes.length / 4 }, (_, i) => hashDistance(at(hashes, i), [0, 0, 0, 0]));
  const fits = bits.map((count) => count > distance + 4 && count < 128 - distance - 4);
  const found: string[] = [];
  for (let a = 0; a < bits.length; a++)
    for (let b = a + 1; b < bits.length; b++)
      if (fits[a] && fits[b] && hashDistance(at(hashes, a), at(hashes, b)) <= distance) found.push(`${a} ${b}`);
  return found;
}

test.each([
  ['half of the bits', 0.5],
  ['few bits, so that most bands are empty', 0.12],
])('pairs are those that comparing all finds: %s', (_, share) => {
  const hashes = hashesOf(500, 150, share, 3);
  for (const distance of [0, 1, 5, 6, 7, 8, 12, 15]) {
    const expected = bruteForce(hashes, distance);
    expect(expected.length).toBeGreaterThan(5);
    expect(alike(hashes, distance, () => true).map(({ a, b }) => `${a} ${b}`)).toEqual(expected);
    const first = new Map<number, number>();
    for (const [a, b] of expected.map((pair) => pair.split(' ').map(Number))) if (!first.has(b!)) first.set(b!, a!);
    expect(new Map(firstAlike(hashes, distance).map(({ a, b }) => [b, a]))).toEqual(first);
  }
});

test('of many hashes with an empty edge few pairs are compared', () => {
  const count = 20_000;
  const hashes = new Uint32Array(count * 4);
  const bytes = new Uint8Array(hashes.buffer);
  const draws = new Random(5).uniform(bytes.length);
  // Above nine of ten pictures there is nothing but sky.
  for (const [i, draw] of draws.entries()) if ((i & 6) !== 0 || draw > 0.9) bytes[i] = 65_536 * draw;
  let compared = 0;
  alike(hashes, 6, () => {
    compared++;
    return false;
  });
  // Of 200,000,000 pairs, of which 80 % agree in each of four bands.
  expect(compared).toBeLessThan(50 * count);
});

test('pictures that are all the same are found one by one, not two by two', () => {
  const count = 50_000;
  const hashes = new Uint32Array(count * 4).fill(0x0f0f0f0f);
  expect(firstAlike(hashes, 6)).toEqual(Array.from({ length: count - 1 }, (_, i) => ({ a: 0, b: i + 1 })));
});
