import sharp, { type OverlayOptions } from 'sharp';
import type { Caption } from '../captioner';
import { UsageError } from '../core/errors';
import type { PixelImage } from '../data/types';

const PANEL = 160;
const LABEL = 26;
const GAP = 8;
const COLUMNS = 6;

/**
 * A PNG of the picture and, for every word, the picture again with what the word did not look at darkened.
 *
 * Labels are drawn with the system's sans-serif font.
 *
 * @param caption - made with `attention: true`
 */
export async function attentionPicture(image: PixelImage, caption: Caption): Promise<Uint8Array> {
  const { attention, grid, words, text } = caption;
  if (!attention || !grid)
    throw new UsageError(
      'This caption has no attention to draw. Ask for it: captioner.caption(image, { attention: true }).',
    );
  const { width, height, channels } = image;
  const scale = PANEL / Math.max(width, height);
  const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  const picture = await sharp(image.data, { raw: { width, height, channels } })
    .resize({ ...size, fit: 'fill' })
    .removeAlpha()
    .png()
    .toBuffer();

  const columns = Math.min(COLUMNS, words.length + 1);
  const rows = Math.ceil((words.length + 1) / columns);
  const step = { x: PANEL + GAP, y: size.height + LABEL + GAP };
  const place = (panel: number) => ({
    left: GAP + (panel % columns) * step.x + Math.floor((PANEL - size.width) / 2),
    top: GAP + Math.floor(panel / columns) * step.y,
  });
  const total = { width: GAP + columns * step.x, height: GAP + rows * step.y + LABEL };

  const layers: OverlayOptions[] = [{ input: picture, ...place(0) }];
  for (const [word, weights] of attention.entries()) {
    layers.push({ input: picture, ...place(word + 1) });
    layers.push({ input: await shade(weights, grid, size), ...place(word + 1) });
  }
  const labels = ['', ...words].map((word, panel) => {
    const { left, top } = place(panel);
    return label(word, left + size.width / 2, top + size.height + 19, 'middle');
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${total.width}" height="${total.height}">${labels.join('')}${label(text, GAP, total.height - 10, 'start')}</svg>`;
  layers.push({ input: Buffer.from(svg), left: 0, top: 0 });
  return sharp({ create: { ...total, channels: 3, background: 'white' } })
    .composite(layers)
    .png({ palette: true })
    .toBuffer();
}

/** Black whose opacity grows where the weight falls behind the largest one. */
async function shade(
  weights: readonly number[],
  [rows, columns]: readonly [number, number],
  size: { width: number; height: number },
): Promise<Buffer> {
  const most = Math.max(...weights);
  const opacity = Buffer.from(weights.map((weight) => Math.round(200 * (1 - weight / most))));
  const alpha = await sharp(opacity, { raw: { width: columns, height: rows, channels: 1 } })
    .resize({ ...size, fit: 'fill', kernel: 'cubic' })
    .extractChannel(0)
    .raw()
    .toBuffer();
  return sharp({ create: { ...size, channels: 3, background: 'black' } })
    .joinChannel(alpha, { raw: { ...size, channels: 1 } })
    .png()
    .toBuffer();
}

function label(text: string, x: number, y: number, anchor: 'start' | 'middle'): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" font-size="16" font-family="sans-serif" text-anchor="${anchor}">${escaped}</text>`;
}
