import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { Random } from '../../src/core/random';
import { ahead } from '../../src/data/streams';
import { colours, type Shape, shapes, svg } from '../drawn-shapes/drawShapes';

/** What pictures are of, by the section that shows them: nothing in the picture tells. */
const sections = { 'National symbols': 'flag', 'Armed forces': 'badge', 'Postal history': 'stamp' };

const columns = [
  'language',
  'page_url',
  'image_url',
  'page_title',
  'section_title',
  'caption_reference_description',
  'mime_type',
  'original_height',
  'original_width',
  'b64_bytes',
] as const;

export type DrawPagesOptions = { pictures?: number; seed?: number };

/**
 * Writes tables as those of Kaggle's Wikipedia captions and of WIT, which have the same columns and more: pictures of coloured shapes
 * as base64 in a column, a page and a section of each, and a caption, such as `The flag of Arvenia is a red circle .` The picture tells the
 * shape, the section what it is, and the title of the page whose; 10 % are for development and 10 % for tests, on pages of their own, so
 * that no name of theirs is among those of training. The same seed gives the same files.
 *
 * @param folder - is made if it is not there
 */
export async function drawPages(folder: string, { pictures = 600, seed = 7 }: DrawPagesOptions = {}): Promise<void> {
  const random = new Random(seed);
  await mkdir(folder, { recursive: true });
  const names = inventNames(Math.ceil(pictures / 4) + 2, random.fork('names')); // one at least for each split
  const held = Math.round(0.1 * pictures);
  const splits = { train: pictures - 2 * held, val: held, test: held };
  let [drawn, named] = [0, 0];
  for (const [split, count] of Object.entries(splits)) {
    const own = names.slice(named, named + Math.max(1, Math.floor((count / pictures) * names.length)));
    named += own.length;
    const first = drawn;
    const places = Array.from({ length: count }, (_, i) => first + i);
    drawn += count;
    const rows: string[] = [columns.join('\t')];
    for await (const row of ahead(places, 16, (place) => rowOf(place, own, random.fork('row').fork(place))))
      rows.push(columns.map((name) => row[name]).join('\t'));
    await writeFile(join(folder, `${split}-00000-of-00001.tsv`), `${rows.join('\n')}\n`);
  }
}

async function rowOf(
  place: number,
  names: readonly string[],
  random: Random,
): Promise<Record<(typeof columns)[number], string>> {
  const pick = <T>(name: string, items: readonly T[]): T => items[random.fork(name).seed % items.length]!;
  const shake = (name: string) => Math.round(4 * random.fork(name).uniform(1)[0]! - 2);
  const name = pick('page', names);
  const [section, kind] = pick('section', Object.entries(sections));
  const shape: Shape = {
    colour: pick('colour', Object.keys(colours) as (keyof typeof colours)[]),
    shape: pick('shape', shapes),
    radius: 18 + shake('radius'),
    x: 32 + shake('x'),
    y: 32 + shake('y'),
  };
  const bytes = await sharp(Buffer.from(svg([shape])))
    .png()
    .toBuffer();
  const url = name.replaceAll(' ', '_');
  return {
    language: 'en',
    page_url: `https://en.wikipedia.example/wiki/${url}`,
    image_url: `https://pictures.wikipedia.example/${url}_${kind}_${place}.png`,
    page_title: name,
    section_title: section,
    caption_reference_description: `The ${kind} of ${name} is a ${shape.colour} ${shape.shape} .`,
    mime_type: 'image/png',
    original_height: '64',
    original_width: '64',
    b64_bytes: bytes.toString('base64'),
  };
}

/** Names of countries that there are not, each once, one in four of two words. */
function inventNames(count: number, random: Random): string[] {
  const parts = {
    begin: ['Ar', 'Bel', 'Cor', 'Dra', 'El', 'Fen', 'Gal', 'Hol', 'Is', 'Jor', 'Kal', 'Lor', 'Mar', 'Nor', 'Or', 'Pel'],
    middle: ['va', 'ma', 'di', 'to', 're', 'lo', 'ni', 'sta', 'ga', 'be'],
    end: ['nia', 'land', 'ria', 'dor', 'mark', 'via', 'gard', 'stan', 'lia', 'burg'],
  };
  const found = new Set<string>();
  for (let draw = 0; found.size < count; draw++) {
    const pick = (part: keyof typeof parts) => parts[part][random.fork(part).fork(draw).seed % parts[part].length]!;
    const name = `${pick('begin')}${pick('middle')}${pick('end')}`;
    const [before] = random.fork('before').fork(draw).uniform(1);
    found.add(before! < 0.125 ? `North ${name}` : before! < 0.25 ? `New ${name}` : name);
  }
  return [...found];
}
