import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { Random } from '../../src/core/random';
import { splitByPicture } from '../../src/data/dataset';
import { ahead } from '../../src/data/streams';

const side = 64;
export const colours = { red: '#d62728', green: '#2ca02c', blue: '#1f4fd8', yellow: '#f2c40f' };
export const shapes = ['circle', 'square', 'triangle'] as const;
const sizes = { small: 8, large: 16 };
const places = {
  'in the middle': [32, 32],
  'on the left': [18, 32],
  'on the right': [46, 32],
  'at the top': [32, 18],
  'at the bottom': [32, 46],
} as const;
const relations = {
  above: [
    [32, 17],
    [32, 47],
  ],
  'to the left of': [
    [17, 32],
    [47, 32],
  ],
} as const;

export type Shape = {
  colour: keyof typeof colours;
  shape: (typeof shapes)[number];
  radius: number;
  x: number;
  y: number;
};
type Drawing = { shapes: Shape[]; sentence: string };

export type DrawShapesOptions = { pictures?: number; seed?: number };

/**
 * Writes a data set of coloured shapes in Flickr8k's layout: 64x64 PNG pictures in `images`, five captions each in the
 * token file, and split files (80 % train, 10 % dev, 10 % test). The same seed gives the same files.
 *
 * The picture determines the sentence, so that a captioner can get every word right.
 *
 * @param folder - is made if it is not there
 */
export async function drawShapes(folder: string, { pictures = 600, seed = 7 }: DrawShapesOptions = {}): Promise<void> {
  const random = new Random(seed);
  const images = join(folder, 'images');
  await mkdir(images, { recursive: true });
  const drawings = Array.from({ length: pictures }, (_, index) => ({
    id: `shapes_${`${index}`.padStart(4, '0')}.png`,
    ...drawing(random.fork('drawing').fork(index)),
  }));
  const written = ahead(drawings, 16, ({ id, shapes }) =>
    sharp(Buffer.from(svg(shapes)))
      .png()
      .toFile(join(images, id)),
  );
  for await (const _ of written);
  const tokens = drawings.flatMap(({ id, sentence }) =>
    captions(sentence).map((caption, number) => `${id}#${number}\t${caption}\n`),
  );
  await writeFile(join(folder, 'Flickr8k.token.txt'), tokens.join(''));
  const ids = drawings.map(({ id }) => id);
  const splits = splitByPicture(ids, { dev: 0.1, test: 0.1, random: random.fork('split') });
  for (const [split, names] of Object.entries(splits))
    await writeFile(join(folder, `Flickr_8k.${split}Images.txt`), names.map((name) => `${name}\n`).join(''));
}

/** One shape at a place, or two in a relation; places and sizes are shaken a little, never enough to change the words. */
export function drawing(random: Random): Drawing {
  const pick = <T>(name: string, items: readonly T[]): T => items[random.fork(name).seed % items.length]!;
  const shake = (name: string, by: number) => Math.round((2 * random.fork(name).uniform(1)[0]! - 1) * by);
  const kinds = Object.keys(colours).flatMap((colour) =>
    shapes.map((shape) => ({ colour: colour as keyof typeof colours, shape })),
  );
  const first = pick('first', kinds);
  if (pick('count', [1, 2]) === 1) {
    const size = pick('size', Object.keys(sizes) as (keyof typeof sizes)[]);
    const place = pick('place', Object.keys(places) as (keyof typeof places)[]);
    const [x, y] = places[place];
    const radius = sizes[size] + shake('radius', 1);
    return {
      shapes: [{ ...first, radius, x: x + shake('x', 2), y: y + shake('y', 2) }],
      sentence: `a ${size} ${first.colour} ${first.shape} ${place}`,
    };
  }
  // Never twice the same kind: which of two red circles is meant could not be seen.
  const second = pick(
    'second',
    kinds.filter((kind) => kind !== first),
  );
  const relation = pick('relation', Object.keys(relations) as (keyof typeof relations)[]);
  const placed = [first, second].map((kind, index) => {
    const [x, y] = relations[relation][index]!;
    const at = { x: x + shake(`x${index}`, 3), y: y + shake(`y${index}`, 3) };
    return { ...kind, radius: 11 + shake(`radius${index}`, 1), ...at };
  });
  return {
    shapes: placed,
    sentence: `a ${first.colour} ${first.shape} ${relation} a ${second.colour} ${second.shape}`,
  };
}

/** Five as people would write them down; the plain sentence prevails, so it is what a captioner learns to say. */
function captions(sentence: string): string[] {
  const plain = `A${sentence.slice(1)} .`;
  return [plain, plain, plain, `There is ${sentence} .`, `A picture of ${sentence} .`];
}

/** The picture, 64 x 64 on white. */
export function svg(drawn: readonly Shape[]): string {
  const elements = drawn.map(({ colour, shape, radius: r, x, y }) => {
    const fill = `fill="${colours[colour]}"`;
    if (shape === 'circle') return `<circle cx="${x}" cy="${y}" r="${r}" ${fill}/>`;
    if (shape === 'triangle') return `<path d="M${x} ${y - r} L${x + r} ${y + r} L${x - r} ${y + r} Z" ${fill}/>`;
    const half = Math.round(0.9 * r);
    return `<rect x="${x - half}" y="${y - half}" width="${2 * half}" height="${2 * half}" ${fill}/>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}"><rect width="100%" height="100%" fill="white"/>${elements.join('')}</svg>`;
}
