import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import type { CaptionData, Example, PixelImage } from '../../src/data/types';
import { loadCaptionData, streamCaptionData } from '../../src/node/captionData';
import { collect } from '../data/collect';
import { type Files, hubParquet, parquetFile, picture, pictures, tar, tarEnd, tarMember, useFolder } from './fixtures';

const folder = useFolder();
/** Pictures of widths 41 to 46, so that a wrong one shows. */
let png: Buffer[] = [];
beforeAll(async () => {
  png = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => picture(seed, { width: 40 + seed })));
});

const ids = ({ train, dev, test }: CaptionData) => [train.ids, dev.ids, test.ids];
const widthOf = async (example: Example) => ((await example.image()) as PixelImage).width;

/** Loads and checks that a stream gives the same examples as the data sets do. */
async function load(options: Parameters<typeof loadCaptionData>[1] = {}): Promise<CaptionData> {
  const data = await loadCaptionData(folder.root, options);
  for (const split of ['train', 'dev', 'test'] as const) {
    const streamed = await collect(streamCaptionData(folder.root, { ...options, split }));
    const loaded = await collect(data[split]);
    if (data.splitSource === 'files')
      expect(streamed.map(({ id, captions }) => [id, captions])).toEqual(
        loaded.map(({ id, captions }) => [id, captions]),
      );
  }
  return data;
}

const json = JSON.stringify;

test('Flickr30k: token file', async () => {
  await folder.write({
    'results_20130124.token': ['1.jpg', '2.jpg', '3.jpg']
      .map((name) => `${name}#0\tOne .\n${name}#1\tTwo .\n`)
      .join(''),
    ...(await pictures('flickr30k-images', ['1.jpg', '2.jpg', '3.jpg'])),
  });
  const data = await load();
  expect(data).toMatchObject({
    layout: 'flickr30k',
    splitSource: 'seed',
    found: { captions: 6, pictures: 3 },
    problems: [],
  });
});

test('Flickr30k: results.csv as on Kaggle, beside the pictures', async () => {
  await folder.write({
    'flickr30k_images/results.csv':
      'image_name| comment_number| comment\n1.jpg| 0| A , b .\n1.jpg| 1   C .\n2.jpg| 0| D\n3.jpg| 0| E\n',
    ...(await pictures('flickr30k_images/flickr30k_images', ['1.jpg', '2.jpg', '3.jpg'])),
  });
  const data = await load({ splits: { dev: 0, test: 0 } });
  expect(data).toMatchObject({ layout: 'flickr30k-kaggle', found: { captions: 4, pictures: 3 }, problems: [] });
  expect((await data.train.at(0)).captions).toEqual(['A , b .', 'C .']);
});

const cocoFile = (entries: Record<number, string[]>, name: (id: number) => string = (id) => `${id}.jpg`) =>
  json({
    info: { description: 'x' },
    images: Object.keys(entries).map((id) => ({ id: Number(id), file_name: name(Number(id)), license: 1 })),
    // Round by round, so that captions of one picture lie apart, as COCO's do.
    annotations: [0, 1, 2].flatMap((round) =>
      Object.entries(entries).flatMap(([id, captions]) =>
        captions[round] === undefined
          ? []
          : [{ image_id: Number(id), id: Number(id) * 10 + round, caption: captions[round] }],
      ),
    ),
    licenses: [],
  });

test.each(['', 'images/'])('COCO: captions in annotations, pictures in %strain2017', async (before) => {
  await folder.write({
    'annotations/captions_train2017.json': cocoFile({ 7: ['a', 'b'], 8: ['c'] }),
    'annotations/captions_val2017.json': cocoFile({ 9: ['d', 'e', 'f'] }),
    'annotations/instances_val2017.json': '{',
    [`${before}train2017/7.jpg`]: png[0]!,
    [`${before}train2017/8.jpg`]: png[1]!,
    [`${before}val2017/9.jpg`]: png[2]!,
  });
  const data = await load();
  expect(data).toMatchObject({
    layout: 'coco',
    splitSource: 'files',
    problems: [],
    found: { captions: 6, pictures: 3 },
  });
  expect(ids(data)).toEqual([['7', '8'], ['9'], []]);
  expect((await data.train.at(0)).captions).toEqual(['a', 'b']);
  expect(await widthOf(await data.train.at(1))).toBe(42);
});

test('COCO: captions that two files repeat count once, and years are not mixed', async () => {
  const files = { 'captions_val2014.json': cocoFile({ 9: ['d', 'e'] }), 'val2014/9.jpg': png[2]! };
  await folder.write({ ...files, 'captions_val2014_all.json': cocoFile({ 8: ['x'], 9: ['d', 'e'] }) });
  const data = await load();
  expect((await data.dev.at(0)).captions).toEqual(['d', 'e']);
  expect(data.problems.map(({ problem }) => problem)).toEqual([
    'has 2 captions for the second time; they count once',
    'has captions but no picture',
  ]);
  await folder.write({ 'captions_train2017.json': cocoFile({ 9: ['d'] }) });
  await expect(load()).rejects.toThrow(/captions of COCO 2017 and 2014|captions of COCO 2014 and 2017/);
});

test("Karpathy's splits, restval among train", async () => {
  const sentences = (...raw: string[]) => raw.map((each) => ({ raw: each, tokens: [], imgid: 0, sentid: 0 }));
  await folder.write({
    'dataset_coco.json': json({
      dataset: 'coco',
      images: [
        {
          filepath: 'val2014',
          filename: 'a.jpg',
          cocoid: 11,
          imgid: 0,
          split: 'test',
          sentences: sentences('One', 'Two'),
        },
        {
          filepath: 'val2014',
          filename: 'b.jpg',
          cocoid: 12,
          imgid: 1,
          split: 'restval',
          sentences: sentences('Three'),
        },
        {
          filepath: 'train2014',
          filename: 'c.jpg',
          cocoid: 13,
          imgid: 2,
          split: 'train',
          sentences: sentences('Four'),
        },
        { filepath: 'val2014', filename: 'd.jpg', cocoid: 14, imgid: 3, split: 'val', sentences: sentences('Five') },
      ],
    }),
    'val2014/a.jpg': png[0]!,
    'val2014/b.jpg': png[1]!,
    'images/train2014/c.jpg': png[2]!,
    'val2014/d.jpg': png[3]!,
  });
  const data = await load();
  expect(data).toMatchObject({ layout: 'karpathy', splitSource: 'files', problems: [] });
  expect(ids(data)).toEqual([['12', '13'], ['14'], ['11']]);
  expect((await data.test.at(0)).captions).toEqual(['One', 'Two']);
  expect(await widthOf(await data.train.at(1))).toBe(43);
});

test('CSV: columns by their names, quotes over lines, splits in a column', async () => {
  await folder.write({
    'data.csv':
      '\ufefffile_name,caption,split,source\r\na.png,"A dog,\nwet ""one""",train,web\r\na.png,Again,train,book\r\nsub/b.png,B,val,\r\nc.png,C,test,x\r\n',
    'images/a.png': png[0]!,
    'images/sub/b.png': png[1]!,
    'c.png': png[2]!,
  });
  const data = await load();
  expect(data).toMatchObject({ layout: 'csv', splitSource: 'files', problems: [] });
  expect(ids(data)).toEqual([['a.png'], ['sub/b.png'], ['c.png']]);
  const first = await data.train.at(0);
  expect(first.captions).toEqual(['A dog,\nwet "one"', 'Again']);
  expect(first.metadata).toEqual({ file: join(folder.root, 'images/a.png'), source: 'web' });
  expect(await widthOf(await data.dev.at(0))).toBe(42);
});

test('CSV: several columns of captions, a list in one, TSV, packed, splits in the names of files', async () => {
  await folder.write({
    'train.tsv.gz': gzipSync('image\tcaption_1\tcaption_2\na.png\tOne\tTwo\n'),
    'val.csv': 'filename,raw,img_id\nb.png,"[""Three"", ""Four""]",7\n',
    'a.png': png[0]!,
    'b.png': png[1]!,
  });
  const data = await load();
  expect(data).toMatchObject({ layout: 'csv', splitSource: 'files', problems: [] });
  expect(ids(data)).toEqual([['a.png'], ['7'], []]);
  expect([(await data.train.at(0)).captions, (await data.dev.at(0)).captions]).toEqual([
    ['One', 'Two'],
    ['Three', 'Four'],
  ]);
});

test('JSON lines: lists of captions, pictures as paths and as base64', async () => {
  await folder.write({
    'all.jsonl': [
      { image: 'images/a.png', captions: ['One', ' Two '], split: 'train', licence: 'CC0' },
      { image: `data:image/png;base64,${png[1]!.toString('base64')}`, caption: 'Three', id: 'inline', split: 'val' },
    ]
      .map((row) => `${json(row)}\n`)
      .join('\n'),
    'images/a.png': png[0]!,
  });
  const data = await load();
  expect(data).toMatchObject({ layout: 'jsonl', problems: [] });
  expect((await data.train.at(0)).captions).toEqual(['One', 'Two']);
  expect((await data.train.at(0)).metadata).toMatchObject({ licence: 'CC0' });
  expect(await widthOf(await data.dev.at(0))).toBe(42);
});

test.each<[string, (shard: Buffer) => Buffer]>([
  ['.tar', (shard) => shard],
  ['.tar.gz', gzipSync],
  ['.tgz', gzipSync],
])(
  'WebDataset in %s: members by key, captions in text and JSON, long names, splits by shard',
  async (extension, pack) => {
    const long = `${'d'.repeat(60)}/${'e'.repeat(60)}`;
    const pax = `path=${long}.png\n`;
    await folder.write({
      [`train-000${extension}`]: pack(
        tar({
          '000.png': png[0]!,
          '000.txt': 'One\n',
          // Larger than what is unpacked at a time, and what follows has to be found all the same.
          '000.npy': randomBytes(700_000),
          '000.json': json({
            caption: 'One',
            captions: ['Two'],
            url: 'https://x.org/a.png',
            text_of_page: 'x'.repeat(600_000),
          }),
          '000.cls': '3',
          'sub/001.json': json({ text: 'Three' }),
          'sub/001.png': png[1]!,
        }),
      ),
      [`val-000${extension}`]: pack(
        Buffer.concat([
          tarMember('sub', '', '5'),
          tarMember('././@LongLink', `${long}.txt\0`, 'L'),
          tarMember('short', 'Four'),
          tarMember('pax', `${`${pax.length + 4} `}${pax}`, 'x'),
          tarMember('short', png[2]!),
          tarEnd,
        ]),
      ),
    });
    const data = await load();
    expect(data).toMatchObject({ layout: 'webdataset', splitSource: 'files', problems: [] });
    expect(ids(data)).toEqual([['000', 'sub/001'], [long], []]);
    const first = await data.train.at(0);
    expect(first.captions).toEqual(['One', 'Two']);
    expect(first.metadata).toMatchObject({ url: 'https://x.org/a.png' });
    const examples = [first, await data.train.at(1), await data.dev.at(0)];
    expect(await Promise.all(examples.map(widthOf))).toEqual([41, 42, 43]);
  },
);

test('Parquet: pictures in a structure or a column, lists of captions, splits by file', async () => {
  const bytes = png.map((each) => new Uint8Array(each));
  await folder.write({
    'data/train-00000-of-00001.parquet': hubParquet([
      { image: { bytes: bytes[0]!, path: 'a.png' }, captions: ['One', 'Two'] },
      { image: { bytes: bytes[1]!, path: 'b.png' }, captions: ['Three'] },
      { image: { bytes: bytes[2]!, path: 'c.png' }, captions: ['Four'] },
    ]),
    'data/validation-00000-of-00001.parquet': parquetFile([
      { name: 'id', data: ['x', 'y'], type: 'STRING' },
      { name: 'image', data: [bytes[3]!, bytes[4]!], type: 'BYTE_ARRAY' },
      { name: 'caption', data: ['Five', 'Six'], type: 'STRING' },
      { name: 'width', data: [44, 45], type: 'INT32' },
    ]),
    'test.parquet': parquetFile([
      { name: 'file_name', data: ['f.png'], type: 'STRING' },
      { name: 'caption', data: ['Seven'], type: 'STRING' },
    ]),
    'images/f.png': png[5]!,
  });
  const data = await load();
  expect(data).toMatchObject({ layout: 'parquet', splitSource: 'files', problems: [] });
  const file = 'train-00000-of-00001.parquet';
  expect(ids(data)).toEqual([[`${file}:0`, `${file}:1`, `${file}:2`], ['x', 'y'], ['f.png']]);
  expect((await data.train.at(0)).captions).toEqual(['One', 'Two']);
  expect((await data.dev.at(1)).metadata).toMatchObject({ width: 45, row: 1 });
  const examples = [...(await collect(data.train)), ...(await collect(data.dev)), await data.test.at(0)];
  expect(await Promise.all(examples.map(widthOf))).toEqual([41, 42, 43, 44, 45, 46]);
});

const witColumns = [
  'language', 'page_url', 'image_url', 'page_title', 'section_title', 'hierarchical_section_title',
  'caption_reference_description', 'caption_attribution_description', 'caption_alt_text_description', 'mime_type',
  'original_height', 'original_width', 'is_main_image', 'attribution_passes_lang_id', 'page_changed_recently',
  'context_page_description', 'context_section_description',
]; // biome-ignore format: a list
const wit = (rows: Record<string, string>[], more: string[] = []) => {
  const columns = [...witColumns, ...more];
  return [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ''))]
    .map((row) => `${row.join('\t')}\n`)
    .join('');
};

test('Wikipedia: WIT and base64 files of Kaggle, a picture of several pages being one', async () => {
  const [a, b] = ['https://upload.wikimedia.org/a.png', 'https://upload.wikimedia.org/b.png'];
  const row = {
    language: 'en',
    page_title: 'Dog',
    image_url: a,
    caption_reference_description: 'A dog',
    original_width: '41',
  };
  const files: Files = {
    'wit_v1.train.all-00000-of-00002.tsv.gz': gzipSync(
      wit([row, { ...row, language: 'de', page_title: 'Hund', caption_reference_description: '"Ein ""Hund"""' }]),
    ),
    'wit_v1.val.all-00000-of-00001.tsv': wit([
      { ...row, image_url: b, caption_reference_description: 'A cat', section_title: 'Cats' },
      { ...row, image_url: b },
      { ...row, image_url: b, caption_reference_description: '' },
    ]),
    'image_data_train/image_pixels/train_image_pixels_part-00000.csv': [a, b]
      .map((url, index) => `${url}\t${png[index]!.toString('base64')}\thttps://x.org/${index}\n`)
      .join(''),
  };
  await folder.write(files);
  const data = await load();
  expect(data).toMatchObject({ layout: 'wikipedia', splitSource: 'files' });
  expect(data.problems).toEqual([
    { where: expect.stringContaining('tsv, line 4'), problem: `has no caption_reference_description for ${b}` },
  ]);
  expect(ids(data)).toEqual([[a], [b], []]);
  const example = await data.train.at(0);
  expect(example.captions).toEqual(['A dog', 'Ein "Hund"']);
  expect(example.metadata).toMatchObject({
    image_url: a,
    original_width: '41',
    captions: [
      { language: 'en', page_title: 'Dog' },
      { language: 'de', page_title: 'Hund' },
    ],
  });
  expect(await Promise.all([example, await data.dev.at(0)].map(widthOf))).toEqual([41, 42]);
  const other = await loadCaptionData(folder.root, { wikipediaCaption: 'caption_alt_text_description' }).catch(
    (e) => e,
  );
  expect(other.message).toMatch(/no usable caption: .*has no caption_alt_text_description/);
});

test("Wikipedia: Kaggle's columns, base64 in the table, and addresses that were not downloaded", async () => {
  const [a, b] = ['https://upload.wikimedia.org/a.png', 'https://upload.wikimedia.org/b.png'];
  const row = {
    language: 'en',
    caption_reference_description: 'A dog',
    caption_title_and_reference_description: 'Dog [SEP] A dog',
  };
  await folder.write({
    'train-00000-of-00005.tsv': wit(
      [
        { ...row, image_url: a, b64_bytes: png[0]!.toString('base64') },
        { ...row, image_url: b },
      ],
      ['caption_title_and_reference_description', 'b64_bytes'],
    ),
  });
  const data = await load();
  expect(ids(data)).toEqual([[a], [], []]);
  expect(await widthOf(await data.train.at(0))).toBe(41);
  expect(data.problems).toEqual([{ where: '1 picture', problem: expect.stringContaining('data download') }]);
});

test('a folder of several layouts is an error that names them, and one can be asked for', async () => {
  await folder.write({
    'dataset_coco.json': json({ images: [{ filename: 'a.png', split: 'train', sentences: [{ raw: 'K' }] }] }),
    'captions_train2017.json': cocoFile({ 1: ['C'] }, () => 'a.png'),
    'a.csv': 'image,caption\na.png,V\n',
    'a.png': png[0]!,
  });
  await expect(loadCaptionData(folder.root)).rejects.toThrow(
    /several layouts: coco \(.*captions_train2017.json\), karpathy \(.*dataset_coco.json\), csv \(.*a.csv\).*--layout/,
  );
  const captionOf = async (layout: 'coco' | 'karpathy' | 'csv') =>
    (await (await loadCaptionData(folder.root, { layout, splits: { dev: 0, test: 0 } })).train.at(0)).captions;
  expect(await Promise.all([captionOf('coco'), captionOf('karpathy'), captionOf('csv')])).toEqual([
    ['C'],
    ['K'],
    ['V'],
  ]);
  await expect(loadCaptionData(folder.root, { layout: 'parquet' })).rejects.toThrow(
    /of this layout. Looked for Parquet/,
  );
  await expect(loadCaptionData(folder.root, { layout: 'xml' as 'csv' })).rejects.toThrow(/no layout xml/);
});

test('a stream deals out shards and goes on from a place', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `${index}.jpg`);
  await folder.write({
    'all.csv': `image,caption\n${names.map((name) => `${name},One\n${name},Two\n`).join('')}`,
    ...(await pictures('images', names)),
  });
  const all = { splits: { dev: 0, test: 0 } };
  const read = async (options: object) =>
    (await collect(streamCaptionData(folder.root, { ...all, ...options }))).map(({ id }) => id);
  expect(await read({})).toEqual(names);
  const parts = await Promise.all([0, 1, 2].map((index) => read({ shard: { index, count: 3 } })));
  expect(parts.flat().sort()).toEqual([...names].sort());
  expect(await read({ shard: { index: 1, count: 3 }, from: 2 })).toEqual(parts[1]!.slice(2));
  const drawn = await Promise.all(
    (['train', 'dev', 'test'] as const).map((split) => read({ splits: { dev: 0.3, test: 0.3 }, split })),
  );
  expect(drawn.flat().sort()).toEqual([...names].sort());
  expect(drawn.every((part) => part.length > 0)).toBe(true);
  await expect(read({ shard: { index: 3, count: 3 } })).rejects.toThrow(/Part 3 of 3|Shard 3 of 3/);
});
