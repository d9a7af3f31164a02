/**
 * Time and memory of reading many captions in every layout that can hold them:
 *
 *   npx tsx bench/data.bench.ts [captions] [layout...]     by default 1000000, and a tenth of it to compare
 *
 * `index` is `loadCaptionData`, then all captions once in order and 1000 examples anywhere; `stream` is `streamCaptionData`
 * from beginning to end. Every measurement has a process of its own; memory is the most that it held, what Node and the library
 * take by themselves included (`nothing read`). The files are made first, in the temporary folder, and removed.
 */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { Random } from '../src/core/random';
import { type LayoutName, loadCaptionData, streamCaptionData } from '../src/node/captionData';
import { machine, table } from './table';

const options = { splits: { dev: 0, test: 0 }, missingPictures: 'keep' } as const;
const PER_PICTURE = 5;

type Work = 'nothing' | 'index' | 'stream';
type Measured = { seconds: number; captions: number; peak: number; anywhere?: number };

/** Writes files of a layout with so many captions. */
type Maker = (folder: string, captions: number) => Promise<void>;

const caption = (index: number) =>
  `A ${['brown', 'black', 'white'][index % 3]} dog number ${index} runs through the tall grass next to a fence .`;
const pictureOf = (index: number) => `${String(Math.floor(index / PER_PICTURE)).padStart(9, '0')}.jpg`;

function* lines(captions: number, line: (index: number) => string): Generator<string> {
  const many: string[] = [];
  for (let index = 0; index < captions; index++) {
    many.push(line(index));
    if (many.length === 1000 || index === captions - 1) yield many.splice(0).join('');
  }
}

const write = (path: string, text: Iterable<string>, packed = false) =>
  packed
    ? pipeline(Readable.from(text), createGzip({ level: 1 }), createWriteStream(path))
    : pipeline(Readable.from(text), createWriteStream(path));

function* cocoText(captions: number): Generator<string> {
  const pictures = Math.ceil(captions / PER_PICTURE);
  const image = (index: number) =>
    `{"license": 3, "file_name": "${pictureOf(index * PER_PICTURE)}", "height": 480, "width": 640, "id": ${index}}`;
  // Captions of one picture lie far apart, as COCO's do.
  const annotation = (index: number) =>
    `{"image_id": ${index % pictures}, "id": ${index}, "caption": "${caption(index)}"}`;
  yield '{"info": {}, "images": [';
  yield* lines(pictures, (index) => (index === 0 ? '' : ', ') + image(index));
  yield '], "annotations": [';
  yield* lines(captions, (index) => (index === 0 ? '' : ', ') + annotation(index));
  yield ']}';
}

const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
  .jpeg()
  .toBuffer();

function* tarBytes(from: number, to: number): Generator<Buffer> {
  for (let index = from; index < to; index++) {
    const key = String(index).padStart(9, '0');
    const text = Array.from({ length: PER_PICTURE }, (_, i) => caption(index * PER_PICTURE + i)).join('\n');
    yield member(`${key}.jpg`, picture);
    yield member(`${key}.txt`, Buffer.from(text));
  }
  yield Buffer.alloc(1024);
}

function member(name: string, body: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\0', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

const witNames = [
  'language',
  'page_url',
  'image_url',
  'page_title',
  'caption_reference_description',
  'context_page_description',
];

const makers: Partial<Record<LayoutName | 'wikipedia', Maker>> = {
  flickr8k: (folder, captions) =>
    write(
      join(folder, 'Flickr8k.token.txt'),
      lines(captions, (i) => `${pictureOf(i)}#${i % PER_PICTURE}\t${caption(i)}\n`),
    ),
  flickr30k: async (folder, captions) => {
    const head = 'image_name| comment_number| comment\n';
    await write(
      join(folder, 'results.csv'),
      [head].concat([...lines(captions, (i) => `${pictureOf(i)}| ${i % PER_PICTURE}| ${caption(i)}\n`)]),
    );
  },
  coco: (folder, captions) => write(join(folder, 'captions_train2017.json'), cocoText(captions)),
  karpathy: (folder, captions) => {
    const of = (index: number) => {
      const sentences = Array.from({ length: PER_PICTURE }, (_, i) => ({
        raw: caption(index * PER_PICTURE + i),
        tokens: caption(i).split(' '),
      }));
      const entry = {
        filepath: 'train2014',
        filename: pictureOf(index * PER_PICTURE),
        split: 'train',
        cocoid: index,
        sentences,
      };
      return (index === 0 ? '{"images": [' : ', ') + JSON.stringify(entry);
    };
    return write(
      join(folder, 'dataset_coco.json'),
      concat(lines(captions / PER_PICTURE, of), ['], "dataset": "coco"}']),
    );
  },
  csv: (folder, captions) =>
    write(
      join(folder, 'all.csv'),
      concat(
        ['image,caption\n'],
        lines(captions, (i) => `${pictureOf(i)},"${caption(i)}"\n`),
      ),
    ),
  jsonl: (folder, captions) =>
    write(
      join(folder, 'all.jsonl'),
      lines(captions, (i) => `${JSON.stringify({ image: pictureOf(i), caption: caption(i) })}\n`),
    ),
  wikipedia: (folder, captions) => {
    const row = (i: number) => [
      'en',
      `https://en.wikipedia.org/wiki/${i}`,
      `https://upload.wikimedia.org/${i}.jpg`,
      `Page ${i}`,
      caption(i),
      caption(i).repeat(4),
    ];
    return write(
      join(folder, 'wit_v1.train.tsv.gz'),
      concat(
        [`${witNames.join('\t')}\n`],
        lines(captions, (i) => `${row(i).join('\t')}\n`),
      ),
      true,
    );
  },
  webdataset: async (folder, captions) => {
    const [pictures, each] = [captions / PER_PICTURE, 10_000];
    for (let from = 0; from < pictures; from += each)
      await pipeline(
        Readable.from(tarBytes(from, Math.min(pictures, from + each))),
        createWriteStream(join(folder, `${String(from).padStart(9, '0')}.tar`)),
      );
  },
  parquet: async (folder, captions) => {
    const [pictures, each] = [captions / PER_PICTURE, 20_000];
    for (let from = 0; from < pictures; from += each) {
      const rows = Array.from({ length: Math.min(each, pictures - from) }, (_, i) => from + i);
      const texts = rows.map((row) =>
        JSON.stringify(Array.from({ length: PER_PICTURE }, (_, i) => caption(row * PER_PICTURE + i))),
      );
      const columnData = [
        { name: 'image', data: rows.map(() => new Uint8Array(picture)), type: 'BYTE_ARRAY' as const },
        { name: 'captions', data: texts, type: 'STRING' as const },
      ];
      const bytes = parquetWriteBuffer({ columnData, rowGroupSize: 1000 });
      await write(join(folder, `train-${String(from).padStart(9, '0')}.parquet`), [
        new Uint8Array(bytes),
      ] as unknown as string[]);
    }
  },
};

function* concat<T>(...parts: Iterable<T>[]): Generator<T> {
  for (const part of parts) yield* part;
}

/** What a process of its own measures. */
async function measure(folder: string, work: Work): Promise<Omit<Measured, 'peak'>> {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  let captions = 0;
  if (work === 'nothing') return { seconds: seconds(), captions };
  if (work === 'stream') {
    for await (const example of streamCaptionData(folder, options)) captions += example.captions.length;
    return { seconds: seconds(), captions };
  }
  const { train } = await loadCaptionData(folder, options);
  for await (const _ of train.captions()) captions++;
  const took = seconds();
  const places = new Random(7).uniform(1000);
  const before = performance.now();
  for (const place of places) await train.at(Math.floor(place * train.size));
  return { seconds: took, captions, anywhere: performance.now() - before };
}

async function measured(folder: string, work: Work): Promise<Measured> {
  const child = spawn(process.execPath, ['--import', 'tsx', import.meta.filename, '--measure', folder, work], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let answer = '';
  for await (const part of child.stdout) {
    answer += part;
    if (answer.endsWith('\n')) break;
  }
  // Asked from outside: what a process says of its peak includes what its parent held when it was started.
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
  child.stdin.end();
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) / 1024;
  return { ...(JSON.parse(answer) as Omit<Measured, 'peak'>), peak };
}

async function compare(): Promise<void> {
  const [count = 1_000_000, ...names] = process.argv
    .slice(2)
    .map((word, index) => (index === 0 ? Number(word) : word)) as [number?, ...string[]];
  const layouts = Object.entries(makers).filter(([name]) => names.length === 0 || names.includes(name));
  console.log(`${machine()}\n${count} captions, ${PER_PICTURE} of each picture (of Wikipedia's one); memory in MiB\n`);
  const folder = await mkdtemp(join(tmpdir(), 'bench-data-'));
  try {
    const base = await measured(folder, 'nothing');
    const rows = [['nothing read', '', '', '', `${Math.round(base.peak)}`, '', '', '']];
    for (const [name, make] of layouts) {
      const [few, many] = [join(folder, `${name}-few`), join(folder, `${name}-many`)];
      for (const [place, captions] of [
        [few, count / 10],
        [many, count],
      ] as const) {
        await mkdir(place);
        await make!(place, captions);
      }
      const small = await measured(few, 'index');
      const large = await measured(many, 'index');
      const streamed = name === 'coco' ? undefined : await measured(many, 'stream');
      if (large.captions !== count || (streamed && streamed.captions !== count))
        throw new Error(`${name} gave ${large.captions} and ${streamed?.captions} captions.`);
      rows.push([
        name,
        `${Math.round((await sizeOf(many)) / 2 ** 20)}`,
        large.seconds.toFixed(1),
        `${Math.round(small.peak)}`,
        `${Math.round(large.peak)}`,
        (large.anywhere! / 1000).toFixed(2),
        streamed ? streamed.seconds.toFixed(1) : '',
        streamed ? `${Math.round(streamed.peak)}` : '',
      ]);
      process.stderr.write(`${name} done\n`);
      await Promise.all([few, many].map((place) => rm(place, { recursive: true })));
    }
    const head = ['layout', 'files MB', 'index s', 'memory, a tenth', 'memory', 'ms an example', 'stream s', 'memory'];
    console.log(table(head, rows));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function sizeOf(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

const [flag, place, work] = process.argv.slice(2);
if (flag === '--measure') {
  process.stdout.write(`${JSON.stringify(await measure(place!, work as Work))}\n`);
  for await (const _ of process.stdin); // lives until its memory was looked at
} else await compare();
