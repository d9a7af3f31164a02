/*
 * What a captioner says of every n-th development picture, good and bad: the table and the picture of docs/captions.md.
 *
 *   npx tsx scripts/show-captions.ts --data-path ../shared/data/flickr8k --output docs --pictures runs/every-40th
 *
 * Prints the table. Into --output go the attention maps alone (captions.png), since the pictures of Flickr8k may not be passed on;
 * into --pictures every picture with what each word looked at.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp, { type OverlayOptions } from 'sharp';
import { AttentionLSTMCaptioner } from '../src/attentionLSTMCaptioner';
import type { Caption } from '../src/captioner';
import { startBackend } from '../src/cli/shared';
import { toPixels } from '../src/data/pixels';
import { scoreCaptions } from '../src/metrics';
import { attentionPicture } from '../src/node/attentionPicture';
import { loadCaptionData } from '../src/node/captionData';
import { directory } from '../src/node/directory';

const MAP = 56;
const GAP = 6;
const NAME = 40;
const LINE = 16;

const { values } = parseArgs({
  options: {
    'data-path': { type: 'string', default: '../shared/data/flickr8k' },
    model: { type: 'string', default: 'models/flickr8k' },
    every: { type: 'string', default: '40' },
    count: { type: 'string', default: '24' },
    output: { type: 'string' },
    pictures: { type: 'string' },
  },
});

await startBackend();
const { dev } = await loadCaptionData(values['data-path']);
const captioner = await AttentionLSTMCaptioner.load(directory(values.model));
const found: { id: string; caption: Caption; references: readonly string[] }[] = [];
let place = 0;
for await (const { id, captions: references, image } of dev) {
  if (found.length === Number(values.count)) break;
  if (place++ % Number(values.every) !== 0) continue;
  const picture = await toPixels(await image());
  const caption = await captioner.caption(picture, { attention: true });
  found.push({ id, caption, references });
  if (values.pictures) {
    await mkdir(values.pictures, { recursive: true });
    const name = `${String(found.length).padStart(2, '0')}-${id.replace(/\.\w+$/, '')}.png`;
    await writeFile(join(values.pictures, name), await attentionPicture(picture, caption));
  }
}
captioner.dispose();

const { segments } = await scoreCaptions(
  found.map(({ id, caption, references }) => ({ id, candidate: caption.text, references })),
  { metrics: ['meteor'] },
);
console.log('| | picture | caption | METEOR |\n|---|---|---|---|');
for (const [row, { id, caption }] of found.entries()) {
  const photo = /^\d+/.exec(id)?.[0];
  const link = `[${photo}](https://www.flickr.com/photo.gne?id=${photo})`;
  console.log(`| ${row + 1} | ${link} | ${caption.text} | ${Number(segments[row]!.METEOR).toFixed(2)} |`);
}
if (values.output) await writeFile(join(values.output, 'captions.png'), await attentionSheet());

/** A PNG with a row for every caption: under each word the grid that it looked at, dark where most. */
async function attentionSheet(): Promise<Uint8Array> {
  const layers: OverlayOptions[] = [];
  const labels: string[] = [];
  const step = { x: MAP + GAP, y: MAP + LINE + GAP };
  for (const [row, { caption }] of found.entries()) {
    const top = GAP + row * step.y;
    labels.push(`<text x="${GAP}" y="${top + LINE + MAP / 2}" font-size="14">${row + 1}</text>`);
    const [height, width] = caption.grid!;
    for (const [word, weights] of caption.attention!.entries()) {
      const left = NAME + word * step.x;
      const most = Math.max(...weights);
      const pixels = Buffer.from(weights.map((weight) => 255 - Math.round((230 * weight) / most)));
      const input = await sharp(pixels, { raw: { width, height, channels: 1 } })
        .resize({ width: MAP, height: MAP, kernel: 'nearest' })
        .png()
        .toBuffer();
      layers.push({ input, left, top: top + LINE });
      labels.push(
        `<text x="${left + MAP / 2}" y="${top + 12}" font-size="11" text-anchor="middle">${caption.words[word]}</text>`,
      );
    }
  }
  const most = Math.max(...found.map(({ caption }) => caption.words.length));
  const size = { width: NAME + most * step.x, height: GAP + found.length * step.y };
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" font-family="sans-serif">${labels.join('')}</svg>`;
  return sharp({ create: { ...size, channels: 3, background: 'white' } })
    .composite([...layers, { input: Buffer.from(svg), left: 0, top: 0 }])
    .png({ palette: true })
    .toBuffer();
}
