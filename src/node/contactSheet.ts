import sharp, { type OverlayOptions } from 'sharp';
import type { PixelImage } from '../data/types';

/** A row of a contact sheet: pictures side by side, each with a word above it, and text beside them. */
export type SheetRow = { title: string; pictures: { label: string; image: PixelImage }[]; lines: string[] };

const TILE = 168;
const LABEL = 20;
const GAP = 10;
const TEXT = 430;
const LINE = 17;
/** Letters that fit beside the pictures, in a font of this size. */
const LETTERS = 62;

/** A PNG of rows of pictures. Words are drawn with the system's sans-serif font. */
export async function contactSheet(rows: readonly SheetRow[]): Promise<Uint8Array> {
  const columns = Math.max(...rows.map(({ pictures }) => pictures.length));
  const left = GAP + columns * (TILE + GAP);
  const width = left + TEXT + GAP;
  const layers: OverlayOptions[] = [];
  const words: string[] = [];
  let top = GAP;
  for (const { title, pictures, lines } of rows) {
    for (const [column, { label, image }] of pictures.entries()) {
      const x = GAP + column * (TILE + GAP);
      const { width, height, channels } = image;
      const scale = TILE / Math.max(width, height);
      const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
      const input = await sharp(image.data, { raw: { width, height, channels } })
        .resize({ ...size, fit: 'fill' })
        .png()
        .toBuffer();
      layers.push({ input, left: x + Math.floor((TILE - size.width) / 2), top: top + LABEL });
      words.push(text(x, top + 14, label, '#666'));
    }
    words.push(text(left, top + 14, title, '#222', 'font-weight="bold"'));
    const wrapped = lines.flatMap(wrap);
    for (const [line, piece] of wrapped.entries()) words.push(text(left, top + LABEL + LINE * (line + 1) - 4, piece));
    top += LABEL + Math.max(TILE, LINE * wrapped.length) + GAP;
  }
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" font-family="sans-serif" font-size="12">${words.join('')}</svg>`;
  return sharp({ create: { width, height: top, channels: 3, background: 'white' } })
    .composite([...layers, { input: Buffer.from(svg), left: 0, top: 0 }])
    .png()
    .toBuffer();
}

function text(x: number, y: number, words: string, colour = '#222', more = ''): string {
  // Control characters are not allowed in XML at all.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken away
  const plain = words.replace(/[\u0000-\u001f\ufffe\uffff]/g, ' ');
  const escaped = plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" fill="${colour}" ${more}>${escaped}</text>`;
}

/** Lines that fit, broken between words; a word that is longer is cut. */
function wrap(line: string): string[] {
  const lines: string[] = [];
  for (const word of line.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= LETTERS) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`${lines.length > 0 ? '    ' : ''}${word}`.slice(0, LETTERS));
  }
  return lines;
}
