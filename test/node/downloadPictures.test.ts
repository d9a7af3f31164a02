import { readdir, readFile, stat, truncate } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors';
import { loadCaptionData } from '../../src/node/captionData';
import { type Downloaded, type DownloadOptions, downloadPictures, formatOf } from '../../src/node/downloadPictures';
import { PictureCache } from '../../src/node/pictureCache';
import { isPublicAddress } from '../../src/node/publicAddress';
import { collect } from '../data/collect';
import { picture, useFolder } from './fixtures';

const folder = useFolder();
const png = await picture(1);
const jpeg = await picture(2, { format: 'jpeg' });
let server: Server;
let address = '';
/** Requests that came, by path, with when and as whom. */
let requests: { path: string; at: number; agent: string | undefined; range: string | undefined }[] = [];
const countOf = (path: string) => requests.filter((request) => request.path === path).length;

/** What the server does wrong, by path; `count` counts from 1. */
const faults: Record<string, (count: number, ...to: Parameters<RequestListener>) => void> = {
  '/good.png': (_, __, to) => to.end(png),
  '/same.png': (_, __, to) => to.end(png),
  '/good.jpg': (_, __, to) => to.end(jpeg),
  '/busy.png': (count, _, to) => (count < 3 ? to.writeHead(503).end() : to.end(png)),
  '/slow-down.png': (count, _, to) => (count < 2 ? to.writeHead(429, { 'retry-after': '1' }).end() : to.end(png)),
  '/reset.png': (count, from, to) => (count < 2 ? from.socket.destroy() : to.end(png)),
  '/half.png': (count, from, to) => {
    if (count > 1) return void to.end(png);
    to.writeHead(200, { 'content-length': png.length });
    to.write(png.subarray(0, png.length / 2), () => from.socket.destroy());
  },
  // It breaks off twice, and sends the rest of the very same to who asks for it.
  '/resumes.png': (count, from, to) => {
    const start = from.headers['if-range'] === '"one"' ? Number(/^bytes=(\d+)-$/.exec(from.headers.range!)![1]) : 0;
    const end = count < 3 ? start + 100 : png.length;
    const range = start > 0 && { 'content-range': `bytes ${start}-${png.length - 1}/${png.length}` };
    to.writeHead(start > 0 ? 206 : 200, { etag: '"one"', 'content-length': png.length - start, ...range });
    to.write(png.subarray(start, end), () => (count < 3 ? from.socket.destroy() : to.end()));
  },
  // Another picture by the second time.
  '/changes.png': (count, from, to) => {
    if (count > 1) return void to.end(from.headers['if-range'] === 'Sat, 01 Jan 2000 00:00:00 GMT' ? png : 'wrong');
    to.writeHead(200, { etag: 'W/"weak"', 'last-modified': 'Sat, 01 Jan 2000 00:00:00 GMT', 'content-length': 9999 });
    to.write(jpeg.subarray(0, 99), () => from.socket.destroy());
  },
  '/unnamed.png': (count, from, to) => {
    if (count > 1) return void to.end(png);
    to.writeHead(200, { etag: 'W/"weak"', 'content-length': png.length });
    to.write(png.subarray(0, 99), () => from.socket.destroy());
  },
  '/wrong-part.png': (count, from, to) => {
    if (count === 3) return void to.end(png);
    to.writeHead(count === 1 ? 200 : 206, { etag: '"one"', ...(count === 2 && { 'content-range': 'bytes 0-98/99' }) });
    to.write(png.subarray(0, 99), () => from.socket.destroy());
  },
  '/no-rest.png': (count, from, to) => {
    if (count === 2) return void to.writeHead(416).end();
    if (count === 3) return void to.end(png);
    to.writeHead(200, { etag: '"one"', 'content-length': png.length });
    to.write(png.subarray(0, 99), () => from.socket.destroy());
  },
  '/unasked.png': (_, __, to) =>
    to.writeHead(206, { 'content-range': `bytes 0-${png.length - 1}/${png.length}` }).end(png),
  '/hangs.png': () => {},
  '/drips.png': (_, __, to) => {
    to.writeHead(200);
    const timer = setInterval(() => to.write('x'), 20);
    to.on('close', () => clearInterval(timer));
  },
  '/missing.png': (_, __, to) => to.writeHead(404).end(),
  '/page.png': (_, __, to) => to.writeHead(200, { 'content-type': 'image/png' }).end('<html>'),
  '/empty.png': (_, __, to) => to.end(),
  '/says-huge.png': (_, __, to) => to.writeHead(200, { 'content-length': 1e9 }).write('x'),
  '/is-huge.png': (_, __, to) => {
    to.writeHead(200);
    const send = () => to.writable && to.write(Buffer.alloc(64 * 1024), send);
    send();
  },
  '/moved.png': (_, __, to) => to.writeHead(302, { location: '/good.png' }).end(),
  '/round.png': (_, __, to) => to.writeHead(302, { location: '/round.png' }).end(),
  '/to-file.png': (_, __, to) => to.writeHead(302, { location: 'file:///etc/passwd' }).end(),
  '/to-name.png': (_, __, to) => to.writeHead(302, { location: address.replace('127.0.0.1', 'localhost') }).end(),
  '/to-metadata.png': (_, __, to) => to.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end(),
  '/to-mapped.png': (_, __, to) => to.writeHead(302, { location: 'http://[::ffff:10.0.0.1]/' }).end(),
  '/always-busy.png': (_, __, to) => to.writeHead(500).end(),
};

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url!;
    requests.push({ path, at: performance.now(), agent: request.headers['user-agent'], range: request.headers.range });
    (faults[path] ?? faults['/missing.png']!)(countOf(path), request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests = [];
});

const settings = (options: Partial<DownloadOptions> = {}): DownloadOptions => ({
  folder: join(folder.root, 'downloaded'),
  userAgent: 'tests/1.0 (tests@example.org)',
  allowPrivate: ['127.0.0.1'],
  perSecond: 1000,
  wait: 1,
  timeout: 300,
  mostBytes: 1e6,
  ...options,
});
const download = (paths: string[], options: Partial<DownloadOptions> = {}): Promise<Downloaded[]> =>
  collect(
    downloadPictures(
      paths.map((path) => address + path),
      settings(options),
    ),
  );

test('pictures are kept once by their content, and not asked for again', async () => {
  const paths = ['/good.png', '/same.png', '/good.jpg', '/moved.png'];
  expect((await download(paths)).map(({ state }) => state)).toEqual(['new', 'new', 'new', 'new']);
  expect(requests[0]!.agent).toBe('tests/1.0 (tests@example.org)');
  const kept = (await readdir(join(folder.root, 'downloaded'), { recursive: true })).filter((name) =>
    /\.(?:png|jpg)$/.test(name),
  );
  expect(kept.map((name) => name.slice(-3)).sort()).toEqual(['jpg', 'png']);
  const cache = await PictureCache.open(join(folder.root, 'downloaded'));
  const source = cache.source(`${address}/same.png`) as { file: string };
  expect(await readFile(source.file)).toEqual(png);
  requests = [];
  expect((await download(paths)).map(({ state }) => state)).toEqual(['there', 'there', 'there', 'there']);
  expect(requests).toEqual([]);
});

test.each(['/busy.png', '/reset.png', '/half.png'])('%s is tried again until it is whole', async (path) => {
  expect(await download([path])).toEqual([{ url: address + path, state: 'new' }]);
  expect(countOf(path)).toBe(path === '/busy.png' ? 3 : 2);
});

test.each<[string, (string | undefined)[]]>([
  ['/resumes.png', [undefined, 'bytes=100-', 'bytes=200-']],
  ['/changes.png', [undefined, 'bytes=99-']], // sent whole, because it is another
  ['/unnamed.png', [undefined, undefined]], // a weak name does not say that it is the very same
  ['/wrong-part.png', [undefined, 'bytes=99-', undefined]],
  ['/no-rest.png', [undefined, 'bytes=99-', undefined]],
])('%s is gone on with where it broke off, if that is possible', async (path, ranges) => {
  expect(await download([path])).toEqual([{ url: address + path, state: 'new' }]);
  expect(requests.map(({ range }) => range)).toEqual(ranges);
  const cache = await PictureCache.open(join(folder.root, 'downloaded'));
  const { file } = cache.source(address + path) as { file: string };
  expect(await readFile(file)).toEqual(png);
});

test('a part that nobody asked for is no picture', async () => {
  expect(await download(['/unasked.png'], { tries: 1 })).toMatchObject([
    { state: 'later', why: 'the server sends another part than was asked for' },
  ]);
});

test('the server says how long to wait', async () => {
  await download(['/slow-down.png']);
  const [first, second] = requests;
  expect(second!.at - first!.at).toBeGreaterThan(900);
});

test.each<[string, RegExp]>([
  ['/missing.png', /answers 404/],
  ['/page.png', /is no picture, but image\/png/],
  ['/empty.png', /is no picture/],
  ['/says-huge.png', /has 1000000000 bytes, more than 1000000/],
  ['/is-huge.png', /has more than 1000000 bytes/],
  ['/round.png', /is redirected more than 5 times/],
  ['/to-file.png', /is of file: and not of the web/],
  ['/to-name.png', /localhost is (?:127\.0\.0\.1|::1), which is no public address/],
  ['/to-metadata.png', /169\.254\.169\.254, which is no public address/],
  ['/to-mapped.png', /which is no public address/],
])('%s is not to be had, and not asked for again', async (path, why) => {
  expect(await download([path])).toEqual([{ url: address + path, state: 'failed', why: expect.stringMatching(why) }]);
  requests = [];
  expect(await download([path])).toEqual([{ url: address + path, state: 'failed', why: expect.stringMatching(why) }]);
  expect(requests).toEqual([]);
});

test.each<[string, RegExp]>([
  ['/always-busy.png', /answers 500/],
  ['/hangs.png', /takes too long/],
  ['/drips.png', /takes too long/],
])('%s is left for later, and asked for again then', async (path, why) => {
  expect(await download([path], { tries: 2, timeout: 500 })).toEqual([
    { url: address + path, state: 'later', why: expect.stringMatching(why) },
  ]);
  expect(countOf(path)).toBe(2);
  await download([path], { tries: 1, timeout: 500 });
  expect(countOf(path)).toBe(3);
});

test('private addresses are refused, by name and by number, unless they are allowed', async () => {
  const urls = [
    'http://localhost:1/a.png',
    `${address}/good.png`,
    'http://[::1]/',
    'http://2130706433/',
    'http://0x7f.1/',
    'ftp://x.org/a',
    'x',
  ];
  const results = await collect(downloadPictures(urls, settings({ allowPrivate: false })));
  expect(results.map(({ state }) => state)).toEqual(urls.map(() => 'failed'));
  expect(results.slice(0, 5).every(({ why }) => /no public address/.test(why!))).toBe(true);
  expect(requests).toEqual([]);
});

test('addresses of special purposes are told from public ones', () => {
  const special =
    '0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 169.254.1.1 172.31.0.1 192.168.1.1 198.18.0.1 224.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 64:ff9b::7f00:1 fe80::1 fc00::1 ff02::1 2001:db8::1 2002:7f00:1:: x';
  expect(special.split(' ').filter(isPublicAddress)).toEqual([]);
  const open = '8.8.8.8 172.32.0.1 198.35.26.112 2620:0:861:ed1a::2 2a02:ec80:300:ed1a::1';
  expect(open.split(' ').filter((each) => !isPublicAddress(each))).toEqual([]);
});

test('requests keep to their rate', async () => {
  await download(['/good.png', '/good.jpg', '/missing.png', '/page.png'], { perSecond: 20, atOnce: 4 });
  expect(requests.at(-1)!.at - requests[0]!.at).toBeGreaterThan(120);
});

test('stopped, it goes on where it was; what a crash cut off counts for nothing', async () => {
  const controller = new AbortController();
  const stopped = (async () => {
    for await (const { state } of downloadPictures(
      ['/good.png', '/hangs.png'].map((path) => address + path),
      settings({ signal: controller.signal, timeout: 60_000, atOnce: 1 }),
    ))
      if (state === 'new') setTimeout(() => controller.abort(new Error('stopped')), 50);
  })();
  await expect(stopped).rejects.toThrow('stopped');
  const index = join(folder.root, 'downloaded', 'index.jsonl');
  await download(['/good.jpg']);
  await truncate(index, (await stat(index)).size - 5);
  requests = [];
  expect((await download(['/good.png', '/good.jpg', '/busy.png'])).map(({ state }) => state)).toEqual([
    'there',
    'new',
    'new',
  ]);
  expect((await download(['/good.png', '/good.jpg', '/busy.png'])).map(({ state }) => state)).toEqual([
    'there',
    'there',
    'there',
  ]);
});

test('pictures that were downloaded are found by their addresses', async () => {
  await folder.write({ 'a.csv': `image_url,caption\n${address}/good.png,A dog\n${address}/missing.png,A cat\n` });
  await expect(loadCaptionData(folder.root, { splits: { dev: 0, test: 0 } })).rejects.toThrow(
    /was downloaded.*data download/,
  );
  await download(['/good.png', '/missing.png']);
  const { train, problems } = await loadCaptionData(folder.root, { splits: { dev: 0, test: 0 } });
  expect(train.ids).toEqual([`${address}/good.png`]);
  expect(((await (await train.at(0)).image()) as { width: number }).width).toBe(48);
  expect(problems).toHaveLength(1);
});

test('formats are told by bytes, and those that are not asked for are refused', async () => {
  expect(
    [png, jpeg, Buffer.from('GIF89a'), Buffer.from('%PDF-1.4'), Buffer.from('<svg ')].map((bytes) => formatOf(bytes)),
  ).toEqual(['png', 'jpg', 'gif', undefined, undefined]);
  expect(await download(['/good.png'], { formats: ['jpg'] })).toMatchObject([
    { state: 'failed', why: 'is png, which is not asked for' },
  ]);
});

test('what cannot be meant is refused before any request', async () => {
  await expect(download(['/good.png'], { userAgent: ' ' })).rejects.toThrow(UsageError);
  await expect(download(['/good.png'], { perSecond: 0 })).rejects.toThrow(/perSecond is 0/);
  await expect(download(['/good.png'], { tries: 0 })).rejects.toThrow(/tries is 0/);
  expect(requests).toEqual([]);
});
