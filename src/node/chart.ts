import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import sharp from 'sharp';

export type Line = {
  name: string;
  points: readonly { x: number; y: number }[];
  /** Drawn thin and dashed, behind the others. */
  faint?: boolean;
};

export type LineChart = {
  title: string;
  x: string;
  y: string;
  lines: readonly Line[];
  /** Where something worth a mark happened, such as the best validation. */
  mark?: { x: number; label: string };
};

const [WIDTH, HEIGHT] = [760, 380];

/** Ten colours that differ for the colour-blind too, in a fixed order: a line keeps its colour as it grows. */
const COLOURS = [
  ...['#4269d0', '#d1362f', '#2f8f5b', '#c07f00', '#7b4fb0'],
  ...['#1f9fb5', '#b0437d', '#6b6b6b', '#8a5a2b', '#5b7f00'],
];

/** Lines over one axis, as SVG that stands alone; a line ends with its name. */
export function lineChart({ title, x, y, lines, mark }: LineChart): string {
  const { document } = parseHTML('<html></html>');
  const named = lines.filter(({ points }) => points.length > 0);
  const points = named.flatMap(({ name, points, faint }) => points.map((point) => ({ ...point, name, faint })));
  const names = named.map(({ name }) => name);
  const values = points.map((point) => point.y);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const plot = Plot.plot({
    document: document as unknown as Document,
    ...{ width: WIDTH, height: HEIGHT, marginTop: 52, marginRight: 150, grid: true },
    style: { background: 'white', color: '#222', fontFamily: 'sans-serif', fontSize: '12px' },
    x: { label: x, nice: true },
    y: { label: null, domain: low === high ? [low - 0.5, high + 0.5] : [low, high], nice: true },
    color: { domain: names, range: names.map((_, i) => COLOURS[i % COLOURS.length]!) },
    marks: [
      Plot.text([`${title} (${y})`], {
        frameAnchor: 'top-left',
        dy: -34,
        fontSize: 14,
        fontWeight: 'bold',
        fill: '#222',
      }),
      ...(mark
        ? [
            Plot.ruleX([mark.x], { stroke: '#888', strokeDasharray: '3 3' }),
            Plot.text([mark.label], { x: mark.x, frameAnchor: 'top', dy: -10, fill: '#666', fontSize: 11 }),
          ]
        : []),
      Plot.line(
        points.filter(({ faint }) => faint),
        { x: 'x', y: 'y', z: 'name', stroke: 'name', strokeOpacity: 0.35, strokeWidth: 1 },
      ),
      Plot.line(
        points.filter(({ faint }) => !faint),
        { x: 'x', y: 'y', z: 'name', stroke: 'name', strokeWidth: 2, marker: points.length < 400 ? 'dot' : 'none' },
      ),
      Plot.text(spread(named, low, high), {
        x: 'x',
        y: 'y',
        text: 'name',
        fill: 'name',
        textAnchor: 'start',
        dx: 8,
        fontSize: 12,
      }),
    ],
  });
  return plot.outerHTML;
}

/** Where the names at the ends of lines stand: as high as the line, but no closer to each other than a line of text. */
function spread(lines: readonly Line[], low: number, high: number): { x: number; y: number; name: string }[] {
  const right = Math.max(...lines.flatMap(({ points }) => points.map(({ x }) => x)));
  const least = ((high - low || 1) * 16) / (HEIGHT - 90);
  const ends = lines.map(({ name, points }) => ({ x: right, y: points.at(-1)!.y, name })).sort((a, b) => b.y - a.y);
  let above = Infinity;
  for (const end of ends) {
    end.y = Math.min(end.y, above - least);
    above = end.y;
  }
  return ends;
}

/** An SVG as the bytes of a PNG, twice as large, with the system's fonts. */
export const svgToPng = async (svg: string): Promise<Uint8Array> =>
  sharp(Buffer.from(svg), { density: 144 }).png({ palette: true }).toBuffer();
