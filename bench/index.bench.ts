/**
 * Search in an index of random vectors: npx tsx bench/index.bench.ts [--count N --size N --queries N --duplicates N --parts ...]
 *
 *   --parts NAMES   any of node, chromium, int8, duplicates, approximate; all by default
 *
 * Times are of single searches for the ten best, by the clock: the least, the median and the largest after five to warm up. The
 * vectors are independent, which is the hardest case for whatever leaves some out; `same` counts answers that are those of brute
 * force in float64. The approximate index is measured where `usearch` is installed.
 */
import { parseArgs } from 'node:util';
import { ApproximateIndex } from '../src/node/retrievalApproximate';
import { VectorTable } from '../src/retrieval/exact/vectorTable';
import { ImageTextIndex } from '../src/retrieval/imageTextIndex';
import { duplicateRows } from '../src/retrieval/nearDuplicates';
import type { SearchResult } from '../src/retrieval/types';
import { lengthOf } from '../src/retrieval/vectors';
import { noBrowser, openPage } from '../test/browser/page';
import { clustered, drawer, type IndexTimes, items, structured, timeIndex } from './indexWork';
import { machine, table } from './table';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    size: { type: 'string', default: '512' },
    queries: { type: 'string', default: '35' },
    duplicates: { type: 'string', default: '100000' },
    parts: { type: 'string', multiple: true, default: ['node', 'chromium', 'int8', 'duplicates', 'approximate'] },
  },
});
const [count, size, queries, duplicates] = [values.count, values.size, values.queries, values.duplicates].map(
  Number,
) as [number, number, number, number];
const parts = new Set(values.parts.flatMap((names) => names.split(',')));
const WARM = 5;
const TOP = 10;
const CHECKS = 3;

function row(name: string, milliseconds: readonly number[], more: string): string[] {
  const sorted = milliseconds.slice(WARM).sort((a, b) => a - b);
  const [least, median, most] = [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!];
  return [name, ...[least, median, most].map((time) => time.toFixed(1)), more];
}

const described = ({ checked, same, buildSeconds }: IndexTimes) =>
  `${same} of ${checked} the same as brute force; built in ${buildSeconds.toFixed(0)} s`;

async function inChromium(): Promise<string[]> {
  if (noBrowser) return ['float32, Chromium', '-', '-', '-', noBrowser];
  const page = await openPage('../../bench/index.page.ts');
  try {
    const times = await page.call<IndexTimes>('timeIndex', count, size, queries, CHECKS);
    return row('float32, Chromium', times.milliseconds, described(times));
  } finally {
    await page.close();
  }
}

/** The same vectors as float32 and as int8: how many of the ten best of the one are among those of the other. */
async function int8(): Promise<string[]> {
  const exact = await ImageTextIndex.build(items(count, size, 12_345), { batchSize: 4096 });
  const small = await ImageTextIndex.build(items(count, size, 12_345), { batchSize: 4096, type: 'int8' });
  const asked = Array.from(items(queries, size, 777), ({ vector }) => vector);
  const { milliseconds, recall } = await recallOf(asked, exact, (vector) => small.search({ vector }, { top: TOP }));
  return row('int8, Node', milliseconds, recall);
}

/** Near-duplicates of vectors, one in a hundred of which is a copy with some noise of the one before, and what finding them took. */
async function nearDuplicates(name: string, source: typeof items): Promise<string> {
  const noise = drawer(5);
  const vectors = new VectorTable(size, 'float32');
  let last = new Float32Array(size);
  for (const { vector } of source(duplicates, size, 99)) {
    if (vectors.count % 100 === 99) {
      const other = noise(size);
      const scale = (0.2 * lengthOf(last, () => name)) / lengthOf(other, () => name);
      last = last.map((value, j) => value + scale * other[j]!);
    } else last = vector as Float32Array<ArrayBuffer>;
    vectors.append(
      last,
      lengthOf(last, () => name),
    );
  }
  const used = process.cpuUsage();
  const found = duplicateRows(vectors, { threshold: 0.95 });
  let pairs = 0;
  let step = await found.next();
  for (; !step.done; step = await found.next()) pairs++;
  const { user, system } = process.cpuUsage(used);
  const all = (vectors.count * (vectors.count - 1)) / 2;
  const { sketches, rows } = step.value;
  const share = `${((100 * sketches) / all).toFixed(1)} % of all pairs by their sketches, ${rows} by their rows`;
  return `${pairs} near-duplicates among ${duplicates} ${name} vectors: compared ${share}; ${((user + system) / 1e6).toFixed(1)} s of a processor`;
}

/** USearch as it comes, and how many of the ten best it finds, on vectors with and without structure. */
async function approximate(): Promise<string[][]> {
  const rows: string[][] = [];
  for (const [name, source] of [
    ['independent', items],
    ['structured', structured],
  ] as const) {
    const some = Math.min(count, 20_000);
    const exact = await ImageTextIndex.build(source(some, size, 12_345), { batchSize: 4096 });
    const began = performance.now();
    const index = await ApproximateIndex.create({ size });
    await index.add(source(some, size, 12_345));
    const seconds = (performance.now() - began) / 1000;
    const asked = Array.from(source(queries, size, 777), ({ vector }) => vector);
    const { milliseconds, recall } = await recallOf(asked, exact, (vector) => index.search(vector, { top: TOP }));
    rows.push(row(`USearch, ${some} ${name}`, milliseconds, `${recall}; built in ${seconds.toFixed(0)} s`));
  }
  return rows;
}

type Vector = Float32Array | readonly number[];

/** Times a search, and counts how many of the ten best it finds. */
async function recallOf(
  asked: readonly Vector[],
  exact: ImageTextIndex,
  search: (vector: Vector) => SearchResult[] | Promise<SearchResult[]>,
): Promise<{ milliseconds: number[]; recall: string }> {
  const milliseconds: number[] = [];
  let found = 0;
  for (const vector of asked) {
    const best = new Set((await exact.search({ vector }, { top: TOP })).map(({ id }) => id));
    const start = performance.now();
    const results = await search(vector);
    milliseconds.push(performance.now() - start);
    found += results.filter(({ id }) => best.has(id)).length;
  }
  return { milliseconds, recall: `recall@10 ${((100 * found) / (TOP * asked.length)).toFixed(1)} %` };
}

console.log(`${machine()}\n${count} random vectors of ${size} numbers, top ${TOP}\n`);
const rows: string[][] = [];
if (parts.has('node')) {
  const times = await timeIndex(count, size, queries, CHECKS);
  rows.push(row('float32, Node', times.milliseconds, described(times)));
}
if (parts.has('chromium')) rows.push(await inChromium());
if (parts.has('int8')) rows.push(await int8());
if (parts.has('approximate'))
  rows.push(...(await approximate().catch((error: Error) => [['USearch', '-', '-', '-', error.message]])));
if (rows.length > 0) console.log(table(['index', 'least ms', 'median', 'most', ''], rows));
if (parts.has('duplicates'))
  for (const [name, source] of Object.entries({ independent: items, structured, clustered }))
    console.log(`\n${await nearDuplicates(name, source)}`);
