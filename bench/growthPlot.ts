import type { StepSizes } from './jobs/trainStep';

/** What one size does to the time of a step; exponents: over all points, and of the last doubling. */
export type Series = {
  name: string;
  points: { size: number; ms: number }[];
  exponent: number;
  lastExponent: number;
};

export type Growth = { machine: string; engine: string; base: StepSizes; series: Series[] };

const COLOURS = ['#4269d0', '#c07f00', '#d1362f', '#2f8f5b'];
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [740, 440, 60, 190, 50, 60];

/** Milliseconds over multiples of the smallest size, both logarithmic, as SVG; the dashed line is linear growth. */
export function growthPlot({ machine, engine, base, series }: Growth): string {
  const all = series.flatMap(({ points }) => points.map(({ ms }) => ms));
  const doublings = series[0]!.points.length - 1;
  const [low, high] = [Math.floor(Math.log2(Math.min(...all))), Math.ceil(Math.log2(Math.max(...all)))];
  const x = (doubling: number) => LEFT + (doubling / doublings) * (WIDTH - LEFT - RIGHT);
  const y = (ms: number) => HEIGHT - BOTTOM - ((Math.log2(ms) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const text = (x: number, y: number, words: string, more = '') => `<text x="${x}" y="${y}" ${more}>${words}</text>`;
  const line = (points: string[], more: string) => `<polyline points="${points.join(' ')}" fill="none" ${more}/>`;
  const at = (doubling: number, ms: number) => `${x(doubling).toFixed(1)},${y(ms).toFixed(1)}`;

  const columns = Array.from({ length: doublings + 1 }, (_, doubling) => [
    line([at(doubling, 2 ** low), at(doubling, 2 ** high)], 'stroke="#ddd"'),
    text(x(doubling), HEIGHT - BOTTOM + 20, `x ${2 ** doubling}`, 'text-anchor="middle"'),
  ]);
  const rows = Array.from({ length: high - low + 1 }, (_, step) => [
    line([at(0, 2 ** (low + step)), at(doublings, 2 ** (low + step))], 'stroke="#ddd"'),
    text(LEFT - 8, y(2 ** (low + step)) + 4, `${2 ** (low + step)}`, 'text-anchor="end"'),
  ]);
  const first = series[0]!.points[0]!.ms;
  const reach = Math.min(doublings, high - Math.log2(first)); // the line of linear growth ends at the frame
  // Labels in the order of the last points, and no closer than a line of text.
  const places = new Map<Series, number>();
  let above = 0;
  for (const one of [...series].sort((a, b) => b.points.at(-1)!.ms - a.points.at(-1)!.ms)) {
    above = Math.max(above + 18, y(one.points.at(-1)!.ms) + 4);
    places.set(one, above);
  }
  const curves = series.map((one, i) => {
    const { name, points, exponent, lastExponent } = one;
    const colour = COLOURS[i]!;
    return [
      line(
        points.map(({ ms }, doubling) => at(doubling, ms)),
        `stroke="${colour}" stroke-width="2"`,
      ),
      ...points.map(
        ({ ms }, i) => `<circle cx="${x(i).toFixed(1)}" cy="${y(ms).toFixed(1)}" r="3.5" fill="${colour}"/>`,
      ),
      text(
        x(doublings) + 10,
        places.get(one)!,
        `${name} ^ ${exponent.toFixed(2)} (${lastExponent.toFixed(2)})`,
        `fill="${colour}"`,
      ),
    ];
  });
  const { rows: batch, vocabSize, positions, time } = base;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="white"/>
${text(LEFT, 20, 'Milliseconds of a training step as one size is doubled; exponents: fitted (of the last doubling)')}
${text(LEFT, 38, `${engine}; ${machine}`, 'font-size="11" fill="#555"')}
${[columns, rows].flat(2).join('\n')}
${line([at(0, first), at(reach, first * 2 ** reach)], 'stroke="#555" stroke-dasharray="4 4"')}
${curves.flat().join('\n')}
${text(LEFT, HEIGHT - 14, `x 1: batch ${batch}, vocabulary ${vocabSize}, ${positions} positions, ${time} words; dashed: linear growth`, 'font-size="11" fill="#555"')}
</svg>
`;
}
