import { execFileSync } from 'node:child_process';
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateSync, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, describe, expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { loadCaptionData } from '../../src/node/captionData';
import { checkPictures } from '../../src/node/pictureChecks';
import { type Files, hubParquet, parquetFile, picture, tar, tarEnd, tarMember, useFolder } from './fixtures';

const folder = useFolder();
const png = await picture(1);
const other = await picture(2);
const jpeg = await picture(3, { format: 'jpeg' });
const all = { splits: { dev: 0, test: 0 } };
const json = JSON.stringify;
const bytes = (each: Buffer) => new Uint8Array(each);

/** Nothing of this may take more than 1 GB: the process of this file, all tests together. */
afterAll(() => expect(process.resourceUsage().maxRSS / 1e6, 'GB at the most').toBeLessThan(1));

type Broken = {
  files: Files | (() => Files);
  /** What cannot be done with files alone. */
  prepare?: (root: string) => Promise<unknown>;
};

/** Refused as a whole: nothing could be made of it. */
const refused: Record<string, Broken & { message: RegExp }> = {
  'a folder that is a link to itself': {
    files: {},
    prepare: (root) =>
      symlink(join(root, 'images'), join(root, 'images')).then(() =>
        writeFile(join(root, 'captions.txt'), 'image,caption\n'),
      ),
    message: /images is a link that leads in a circle/,
  },
  'a captions file that is a link to itself': {
    files: {},
    prepare: (root) => symlink(join(root, 'all.csv'), join(root, 'all.csv')),
    message: /all.csv cannot be read: its links lead in a circle/,
  },
  'a captions file that is a link to nothing': {
    files: {},
    prepare: (root) => symlink(join(root, 'none'), join(root, 'all.csv')),
    message: /all.csv is not there/,
  },
  'a captions file that is a pipe': {
    files: {},
    prepare: async (root) => {
      execFileSync('mkfifo', [join(root, 'pipe')]);
      await symlink(join(root, 'pipe'), join(root, 'all.csv'));
    },
    message: /all.csv is no file/,
  },
  'a captions file that is a folder': {
    files: {},
    prepare: (root) => mkdir(join(root, 'all.csv')),
    message: /no caption data of a known layout.*Found all.csv/,
  },
  'CSV in UTF-16': {
    files: {
      'captions.txt': Buffer.from('\ufeffimage,caption\na.png,A dog\n', 'utf16le'),
      'a.csv': Buffer.from('\ufeffimage,caption\n', 'utf16le'),
    },
    message: /no caption data of a known layout/,
  },
  'a token file in UTF-16': {
    files: { 'Flickr8k.token.txt': Buffer.from('\ufeffa.png#0\tA dog\n', 'utf16le') },
    message: /in UTF-16 but should be in UTF-8.*iconv/,
  },
  'CSV in Latin-1': {
    files: { 'a.csv': Buffer.from('image,caption\na.png,un \u00e9t\u00e9\n', 'latin1'), 'a.png': png },
    message: /a.csv is not in UTF-8: line 2 has the byte 0xe9.*iconv/,
  },
  'JSON lines in Latin-1': {
    files: {
      'a.jsonl': Buffer.from('{"image":"a.png","caption":"x"}\n{"image":"a.png","caption":"\u00e9"}\n', 'latin1'),
    },
    message: /a.jsonl is not in UTF-8: line 2/,
  },
  'zero bytes in a token file': {
    files: { 'Flickr8k.token.txt': 'a.png#0\tA dog\nb.png#0\t\0\n' },
    message: /zero byte in line 2/,
  },
  'a quote that is never closed': {
    files: { 'a.csv': 'image,caption\na.png,A dog\na.png,"Two dogs\na.png,Three dogs\n', 'a.png': png },
    message: /a.csv has a quote that is not closed, in the row that begins after line 2/,
  },
  'a quote that is never closed before 100 MB': {
    files: () => ({ 'a.csv': `image,caption\na.png,"${'dogs\n'.repeat(20e6)}`, 'a.png': png }),
    message: /a.csv has a quote that is not closed, in the row that begins after line 1/,
  },
  'CSV without rows': { files: { 'a.csv': 'image,caption\n' }, message: /csv but has no usable caption/ },
  'CSV without a column of captions': {
    files: { 'a.csv': 'image,width\na.png,3\n' },
    message: /no caption data of a known layout/,
  },
  'only rows that are wrong': {
    files: { 'a.csv': 'image,caption\na.png\n' },
    message: /line 2 has 1 fields but should have 2/,
  },
  'half a gzip': {
    files: {
      'a.csv.gz': gzipSync(
        `image,caption\n${Array.from({ length: 5000 }, (_, i) => `${i}.png,${Math.sin(i)}\n`).join('')}`,
      ).subarray(0, 9000),
    },
    message: /a.csv.gz is cut off: its gzip has no end/,
  },
  'a .gz that is none': {
    files: { 'a.jsonl.gz': '{"image":"a.png","caption":"x"}' },
    message: /a.jsonl.gz is no gzip, or is damaged/,
  },
  'COCO that is cut off': {
    files: { 'captions_val2017.json': '{"images":[{"id":1,"file_name":"a.png"}],"annotations":[{"image_id":1,"capt' },
    message: /captions_val2017.json is cut off: its JSON has no end/,
  },
  'COCO with an element that is no JSON': {
    files: { 'captions_val2017.json': '{"images":[{"id":1,"file_name":"a.png"},{"id":,}],"annotations":[]}' },
    message: /element 1 of images that is no JSON/,
  },
  'COCO nested 200,000 times': {
    files: () => ({ 'captions_val2017.json': `{"images":[${'['.repeat(2e5)}${']'.repeat(2e5)}],"annotations":[]}` }),
    message: /element 0 of images that is no JSON|no usable caption/,
  },
  'COCO as a list': {
    files: { 'captions_val2017.json': '[{"image_id":1}]' },
    message: /is no JSON object: it starts with/,
  },
  'COCO of no bytes': { files: { 'captions_val2017.json': '' }, message: /captions_val2017.json is empty/ },
  'COCO followed by something': {
    files: { 'captions_val2017.json': '{"images":[]} {"images":[]}' },
    message: /goes on after its end/,
  },
  'COCO with an element of 100 MB': {
    files: () => ({ 'captions_val2017.json': `{"images":[{"id":1,"file_name":"${'a'.repeat(1e8)}"}]}` }),
    message: /element 0 of images of more than 32 MiB/,
  },
  'half the split files': {
    files: { 'Flickr8k.token.txt': 'a.png#0\tA dog\n', 'Flickr_8k.testImages.txt': 'a.png\n' },
    message: /has split files but not Flickr_8k.trainImages.txt, Flickr_8k.devImages.txt/,
  },
  'no picture at all': {
    files: { 'a.csv': 'image,caption\na.png,A dog\n' },
    message: /None of the 1 pictures with captions .* names such as a.png/,
  },
};

/** Left out by name, with what is around it kept: `good` is always usable. */
const counted: Record<string, Broken & { problems: RegExp[] }> = {
  'a byte order mark, CRLF and CR, which are no problem': {
    files: { 'Flickr8k.token.txt': '\ufeffgood#0\tOne\r\ngood#1\tTwo\rgood#2\tThree\n', good: png },
    problems: [],
  },
  'a row of too few fields': {
    files: { 'a.csv': 'image,caption\ngood,A dog\na.png\n', good: png },
    problems: [/line 3: has 1 fields but should have 2/],
  },
  'a row of too many fields': {
    files: { 'a.csv': 'image,caption\ngood,A dog\na.png,A dog, wet\n', good: png },
    problems: [/line 3: has 3 fields but should have 2; a caption with a comma needs quotes/],
  },
  'an empty caption': {
    files: { 'a.csv': 'image,caption\ngood,A dog\na.png,"  "\n', good: png },
    problems: [/line 3: has no caption for a.png/],
  },
  'a row without a picture': {
    files: { 'a.csv': 'image,caption\n,A dog\ngood,A dog\n', good: png },
    problems: [/line 2: has no picture/],
  },
  'a picture that is not there': {
    files: { 'a.csv': 'image,caption\na.png,A dog\ngood,A dog\n', good: png },
    problems: [/a.png: has captions but no picture/],
  },
  'a path out of the folder': {
    files: { 'a.csv': 'image,caption\n../../etc/passwd,A dog\ngood,A dog\n', good: png },
    problems: [/line 2: names the picture ..\/..\/etc\/passwd, which is outside of the data folder/],
  },
  'an absolute path': {
    files: { 'a.csv': 'image,caption\n/etc/passwd,A dog\ngood,A dog\n', good: png },
    problems: [/names the picture \/etc\/passwd, which is outside/],
  },
  'a path of Windows out of the folder': {
    files: { 'a.csv': 'image,caption\n..\\..\\x.png,A\nC:\\x.png,A\ngood,A dog\n', good: png },
    problems: [/outside/, /outside/],
  },
  'one id for two pictures': {
    files: { 'a.csv': 'id,image,caption\n1,good,A dog\n1,b.png,A cat\n', good: png, 'b.png': other },
    problems: [/line 3: has another picture than the first row of 1; the row is left out/],
  },
  'one picture in two splits': {
    files: { 'a.csv': 'image,caption,split\nx,A dog,train\nx,A cat,test\ngood,A cow,train\n', good: png, x: other },
    problems: [/line 3: puts x into test, a row before into train; it is in test/],
  },
  'a split of another name': {
    files: { 'a.csv': 'image,caption,split\nx,A dog,holdout\ngood,A cow,train\n', good: png },
    problems: [/line 2: has the split "holdout"/],
  },
  'the same key of a token file again': {
    files: { 'Flickr8k.token.txt': 'good#0\tOne\ngood#0\tTwo\n', good: png },
    problems: [/line 2: has good#0 for the second time/],
  },
  'a line of 100 MB in a token file': {
    files: () => ({ 'Flickr8k.token.txt': `a.png#0\t${'dog '.repeat(25e6)}\ngood#0\tOne\n`, good: png }),
    problems: [/line 1: is longer than 32 MiB/],
  },
  'a line of 100 MB in JSON lines': {
    files: () => ({
      'a.jsonl': `{"image":"good","caption":"x"}\n{"x":"${'a'.repeat(1e8)}"}\n{"image":"good","caption":"y"}\n`,
      good: png,
    }),
    problems: [/line 2: is longer than 32 MiB/],
  },
  'a gzip that unpacks to 200 MB in one line': {
    files: () => ({
      'a.jsonl.gz': Buffer.concat([
        gzipSync('{"image":"good","caption":"x"}\n'),
        ...Array<Buffer>(4).fill(gzipSync(Buffer.alloc(50e6, 'a'), { level: 1 })),
      ]),
      good: png,
    }),
    problems: [/line 2: is longer than 32 MiB/],
  },
  'a line that is no JSON': {
    files: { 'a.jsonl': '{"image":"good","caption":"x"}\n{"image":\n', good: png },
    problems: [/line 2: is no JSON object/],
  },
  'a line that is a JSON list': {
    files: { 'a.jsonl': '{"image":"good","caption":"x"}\n["good","x"]\n', good: png },
    problems: [/line 2: is no JSON object/],
  },
  'a line without captions': {
    files: { 'a.jsonl': '{"image":"good","caption":"x"}\n{"image":"b","n":1}\n{"image":"c","caption":7}\n', good: png },
    problems: [/line 2: has no caption/, /line 3: has no caption for c/],
  },
  'COCO captions without a picture, and a picture without captions': {
    files: {
      'captions_train2017.json': json({
        images: [{ id: 1, file_name: 'good' }, { id: 2, file_name: 'good' }, { id: 'x' }],
        annotations: [
          { image_id: 1, caption: 'One' },
          { image_id: 9, caption: 'Two' },
          { image_id: 1, caption: ' ' },
          { image_id: 1 },
        ],
      }),
      good: png,
    },
    problems: [
      /images 2: is no picture with an id and a file_name/,
      /annotations 2: has no caption for picture 1/,
      /annotations 3: is no caption/,
      /2: is a picture without captions/,
      /9: has captions but no picture/,
    ],
  },
  "a split that is none of Karpathy's": {
    files: {
      'dataset_x.json': json({
        images: [
          { filename: 'good', split: 'train', sentences: [{ raw: 'One' }] },
          { filename: 'b', split: 'dark', sentences: [{ raw: 'Two' }] },
          { filename: 'c', split: 'train', sentences: [] },
          7,
        ],
      }),
      good: png,
    },
    problems: [
      /images 1: has the split "dark"/,
      /images 2: has no caption for c/,
      /images 3: is no picture with a filename/,
    ],
  },
  'a row of results.csv without bars': {
    files: { 'results.csv': 'image_name| comment_number| comment\ngood| 0| One\nb.jpg, 1, Two\n', good: png },
    problems: [/line 3: has 1 fields but should have 3/],
  },
  'a tar that is cut off': {
    files: () => ({
      'a.tar': Buffer.concat([
        tarMember('good.png', png),
        tarMember('good.txt', 'One'),
        tarMember('b.png', other).subarray(0, 700),
      ]),
    }),
    problems: [/a.tar: cannot be read further: .*cut off in the middle of a member/],
  },
  'a tar without its end': {
    files: () => ({ 'a.tar': Buffer.concat([tarMember('good.png', png), tarMember('good.txt', 'One')]) }),
    problems: [/a.tar: cannot be read further: .*no end of a tar/],
  },
  'a tar with a damaged header': {
    files: () => ({
      'a.tar': Buffer.concat([
        tarMember('good.png', png),
        tarMember('good.txt', 'One'),
        Buffer.alloc(512, 'x'),
        tarEnd,
      ]),
    }),
    problems: [/a.tar: cannot be read further: .*is no header of a tar/],
  },
  'a path out of the folder in a tar': {
    files: () => ({ 'a.tar': tar({ '../../evil.png': other, '/abs.txt': 'x', 'good.png': png, 'good.txt': 'One' }) }),
    problems: [/evil.png: is a path outside/, /abs.txt: is a path outside/],
  },
  'a link in a tar': {
    files: () => ({
      'a.tar': Buffer.concat([
        tarMember('good.txt', 'One'),
        tarMember('b.png', '', '2'),
        tarMember('good.png', png),
        tarEnd,
      ]),
    }),
    problems: [/b.png: is a link or a device/],
  },
  'members of a tar that have no partner': {
    files: () => ({ 'a.tar': tar({ 'a.txt': 'A', 'b.png': other, 'good.png': png, 'good.txt': 'One' }) }),
    problems: [/has no picture for a/, /has no caption for b/],
  },
  'JSON in a tar that is none': {
    files: () => ({ 'a.tar': tar({ 'a.png': other, 'a.json': '{', 'good.png': png, 'good.txt': 'One' }) }),
    problems: [/has a a.json that is no JSON/],
  },
  'text in a tar that is not UTF-8': {
    files: () => ({
      'a.tar': tar({ 'good.png': png, 'good.txt': 'One', 'z.png': other, 'z.txt': Buffer.from('\u00e9', 'latin1') }),
    }),
    problems: [/z.txt: is not in UTF-8; it is left out/, /has no caption for z/],
  },
  'one key in two shards': {
    files: () => ({
      'a.tar': tar({ 'good.png': png, 'good.txt': 'One' }),
      'b.tar': tar({ 'good.png': other, 'good.txt': 'Two' }),
    }),
    problems: [/has another picture than the first row of good/],
  },
  'a tar that is packed by something else than gzip': {
    files: () => ({ 'a.tar': tar({ 'good.png': png, 'good.txt': 'One' }), 'b.tar.zst': 'x' }),
    problems: [/b.tar.zst: is packed by something else than gzip.*unpack it to a .tar/],
  },
  'a packed tar that is none': {
    files: () => ({ 'a.tar': tar({ 'good.png': png, 'good.txt': 'One' }), 'b.tar.gz': 'no gzip at all, but text' }),
    problems: [/b.tar.gz: cannot be read further: .*is no gzip/],
  },
  'a packed text in place of a tar': {
    files: () => ({ 'a.tar': tar({ 'good.png': png, 'good.txt': 'One' }), 'b.tar.gz': gzipSync('x') }),
    problems: [/b.tar.gz: cannot be read further: .*is cut off/],
  },
  'half a gzip of a tar': {
    files: () => ({
      'a.tar': tar({ 'good.png': png, 'good.txt': 'One' }),
      'b.tar.gz': gzipSync(tar({ 'z.png': other, 'z.txt': 'Two' })).subarray(0, 300),
    }),
    problems: [/b.tar.gz: cannot be read further: .*its gzip has no end/],
  },
  'a whole gzip of half a tar': {
    files: () => ({
      'a.tgz': gzipSync(tar({ 'good.png': png, 'good.txt': 'One', 'z.png': other }).subarray(0, -1900)),
    }),
    problems: [/a.tgz: cannot be read further: .*is cut off in the middle of a member/],
  },
  'Parquet that is cut off': {
    files: () => ({
      'a.parquet': parquetFile([
        { name: 'image', data: ['good'], type: 'STRING' },
        { name: 'caption', data: ['One'], type: 'STRING' },
      ]),
      'b.parquet': parquetFile([{ name: 'caption', data: ['One'] }]).subarray(0, -9),
      good: png,
    }),
    problems: [/b.parquet: is no whole Parquet file/],
  },
  'Parquet that is none': {
    files: () => ({
      'a.parquet': parquetFile([
        { name: 'image', data: ['good'], type: 'STRING' },
        { name: 'caption', data: ['One'], type: 'STRING' },
      ]),
      'b.parquet': 'x',
      good: png,
    }),
    problems: [/b.parquet: is no whole Parquet file/],
  },
  'Parquet without captions': {
    files: () => ({
      'a.parquet': parquetFile([
        { name: 'image', data: ['good'], type: 'STRING' },
        { name: 'caption', data: ['One'], type: 'STRING' },
      ]),
      'b.parquet': parquetFile([{ name: 'label', data: [1], type: 'INT32' }]),
      good: png,
    }),
    problems: [/b.parquet: has the columns label: none of pictures/],
  },
  'Parquet with a damaged page': {
    files: () => {
      const whole = parquetFile([
        { name: 'image', data: ['b'.repeat(300)], type: 'STRING' },
        { name: 'caption', data: ['One'], type: 'STRING' },
      ]);
      whole.fill(255, 4, 60);
      return {
        'a.parquet': parquetFile([
          { name: 'image', data: ['good'], type: 'STRING' },
          { name: 'caption', data: ['One'], type: 'STRING' },
        ]),
        'b.parquet': whole,
        good: png,
      };
    },
    problems: [/b.parquet, rows 0 to \d+: cannot be read/],
  },
  'a Wikipedia row whose address is none': {
    files: {
      'train.tsv': `image_url\tcaption_reference_description\tb64_bytes\nhttps://x.org/a\tOne\t${png.toString('base64')}\nfile:///etc/passwd\tTwo\t\n\tThree\t\nhttps://x.org/b\n`,
    },
    problems: [
      /line 3: has the image_url "file:\/\/\/etc\/passwd", which is no address/,
      /line 4: has no image_url/,
      /line 5: has 1 fields but should have 3/,
    ],
  },
  "lines without a picture in Kaggle's base64": {
    files: {
      'train.tsv': 'image_url\tcaption_reference_description\nhttps://x.org/a\tOne\n',
      'image_pixels_0.csv': `no tab\n\nhttps://x.org/a\t${png.toString('base64')}\tx\nhttps://x.org/b\t\tx\nx\ty\tz`,
    },
    problems: [/line 1: has no tab/, /line 4: has a picture of 0 bytes/, /line 5: does not start with the address/],
  },
  'a split file that names what is not there': {
    files: {
      'Flickr8k.token.txt': 'good#0\tOne\n',
      'Flickr_8k.trainImages.txt': 'good\nb.jpg\n',
      'Flickr_8k.devImages.txt': '',
      'Flickr_8k.testImages.txt': '',
      good: png,
    },
    problems: [/b.jpg: is in the train split but has no captions/],
  },
};

/** Pictures that do not open; the message names them. */
const unreadable: Record<string, Broken & { message: RegExp }> = {
  'half a JPEG': { files: { x: jpeg.subarray(0, jpeg.length / 2) }, message: /x does not decode as a picture/ },
  'half a PNG': { files: { x: png.subarray(0, png.length / 2) }, message: /x does not decode as a picture/ },
  'a PNG with damaged data': { files: () => ({ x: damaged(png) }), message: /x does not decode as a picture/ },
  'an empty file': { files: { x: '' }, message: /x is empty/ },
  'a web page': {
    files: { x: '<!DOCTYPE html><title>404</title>' },
    message: /x does not decode as a picture.*convert other formats/,
  },
  'a format that is not supported': {
    files: { x: Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)]) },
    message: /x does not decode as a picture/,
  },
  'a PNG that unpacks to gigabytes': {
    files: () => ({ x: hugePNG(30_000, 30_000) }),
    message: /x has 30000 x 30000 pixels, which would take \d+ MiB/,
  },
  'a PNG that says it has gigabytes': {
    files: () => ({ x: hugePNG(2 ** 30, 1, 1) }),
    message: /x has 1073741824 x 1 pixels|does not decode/,
  },
  'a file of gigabytes': {
    files: { x: jpeg },
    prepare: (root) => truncate(join(root, 'x'), 3e9),
    message: /x has 2861 MiB, which is too large for a picture/,
  },
  'a link to itself': {
    files: {},
    prepare: (root) => symlink(join(root, 'x'), join(root, 'x')),
    message: /x cannot be read: its links lead in a circle/,
  },
  'a link to nothing': {
    files: {},
    prepare: (root) => symlink(join(root, 'none'), join(root, 'x')),
    message: /There is no picture at .*x/,
  },
  'a link to a folder': {
    files: { 'dir/y': 'z' },
    prepare: (root) => symlink(join(root, 'dir'), join(root, 'x')),
    message: /x is a folder/,
  },
  'a link to a pipe': {
    files: {},
    prepare: async (root) => {
      execFileSync('mkfifo', [join(root, 'pipe')]);
      await symlink(join(root, 'pipe'), join(root, 'x'));
    },
    message: /x is a pipe or a device/,
  },
};

async function write({ files, prepare }: Broken): Promise<void> {
  await folder.write(typeof files === 'function' ? files() : files);
  await prepare?.(folder.root);
}

test('there are forty kinds and more', () => {
  expect([refused, counted, unreadable].flatMap(Object.keys).length).toBeGreaterThanOrEqual(40);
});

describe('refused', () => {
  test.each(Object.entries(refused))('%s', async (_, broken) => {
    await write(broken);
    const error = await loadCaptionData(folder.root, all).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(broken.message);
  });
});

describe('counted', () => {
  test.each(Object.entries(counted))('%s', async (_, broken) => {
    await write(broken);
    const keepSplits = Object.keys(typeof broken.files === 'function' ? {} : broken.files).some((name) =>
      name.startsWith('Flickr_8k'),
    );
    const data = await loadCaptionData(
      folder.root,
      keepSplits || broken.problems.some((each) => each.source.includes('split')) ? {} : all,
    );
    expect(data.problems.map(({ where, problem }) => `${where}: ${problem}`)).toEqual(
      broken.problems.map((each) => expect.stringMatching(each)),
    );
    const picture = (await (await data.train.at(0)).image()) as { width: number };
    expect(picture.width, 'the good one is still read').toBe(48);
  });
});

describe('unreadable pictures', () => {
  test.each(Object.entries(unreadable))('%s', async (_, broken) => {
    await folder.write({ 'a.csv': 'image,caption\nx,A dog\n' });
    await write(broken);
    const data = await loadCaptionData(folder.root, all);
    const error = await (await data.train.at(0)).image().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(broken.message);
    const [finding] = await checkPictures(data.train);
    expect(finding).toMatchObject({ id: 'x', kind: 'unreadable', why: (error as Error).message });
  });

  test('a picture in the caption file that is no base64', async () => {
    await folder.write({ 'a.jsonl': json({ image: 'data:image/png;base64,AAAA=BBB', caption: 'A dog', id: 'x' }) });
    const data = await loadCaptionData(folder.root, all);
    await expect((await data.train.at(0)).image()).rejects.toThrow(/The picture x is no base64/);
  });

  test('a row of Parquet that has a name but no bytes', async () => {
    const rows = [
      { image: { bytes: bytes(png), path: 'a.png' }, captions: ['One'] },
      { image: { bytes: null, path: 'b.png' }, captions: ['Two'] },
    ];
    await folder.write({ 'a.parquet': hubParquet(rows) });
    const data = await loadCaptionData(folder.root, all);
    await expect((await data.train.at(1)).image()).rejects.toThrow(/a.parquet has no picture in row 1/);
  });

  test('a shard that is changed after it was opened', async () => {
    await folder.write({ 'a.tar': tar({ 'x.png': png, 'x.txt': 'One' }) });
    const data = await loadCaptionData(folder.root, all);
    await truncate(join(folder.root, 'a.tar'), 600);
    await expect((await data.train.at(0)).image()).rejects.toThrow(
      /a.tar ends before byte .* changed since it was opened/,
    );
  });
});

test('odd pictures are found: tiny, narrow, of another format, the same again', async () => {
  const plain = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
  await folder.write({
    'a.csv': `image,caption\n${['a.png', 'b.jpg', 'c.png', 'd.png', 'e.webp'].map((name) => `${name},A dog\n`).join('')}`,
    'a.png': png,
    'b.jpg': other,
    'c.png': await plain(20, 20),
    'd.png': await plain(400, 33),
    'e.webp': await sharp(png).webp({ quality: 90 }).toBuffer(),
  });
  const findings = await checkPictures((await loadCaptionData(folder.root, all)).train);
  expect(findings).toEqual([
    { id: 'b.jpg', kind: 'wrong extension', why: 'is called .jpg but is png' },
    { id: 'c.png', kind: 'tiny', why: 'has 20 x 20 pixels' },
    { id: 'd.png', kind: 'narrow', why: 'has 400 x 33 pixels' },
    { id: 'e.webp', kind: 'duplicate', why: 'looks like a.png' },
  ]);
});

/** A PNG with one bit per pixel, all of them 0: a few kilobytes for any size. */
function hugePNG(width: number, height: number, rows = height): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(body.length + 8);
    frame.writeUInt32BE(data.length, 0);
    body.copy(frame, 4);
    frame.writeUInt32BE(crc32(body), body.length + 4);
    return frame;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 1;
  const data = deflateSync(Buffer.alloc(rows * (1 + Math.ceil(width / 8))), { level: 1 });
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function damaged(picture: Buffer): Buffer {
  const copy = Buffer.from(picture);
  const at = copy.indexOf('IDAT') + 8;
  copy.fill(0x55, at, at + 40);
  return copy;
}
