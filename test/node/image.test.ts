import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { toRGB } from '../../src/data/pixels';
import { readImage } from '../../src/node/image';
import { expectClose } from '../helpers';

const goldens = fileURLToPath(new URL('../goldens/pictures/', import.meta.url));
const golden = JSON.parse(await readFile(join(goldens, 'decode.json'), 'utf8')) as {
  pictures: { file: string; width: number; height: number; deflated: string }[];
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pictures-'));
});
afterAll(() => rm(folder, { recursive: true }));

// JPEG decoders differ by a rounding; the others must agree, but for the rounding of transparency.
test.each(golden.pictures)('$file decodes as Pillow decodes it', async ({ file, width, height, deflated }) => {
  const image = toRGB(await readImage(join(goldens, file)));
  expect([image.width, image.height, image.channels]).toEqual([width, height, 3]);
  const tolerance = file.endsWith('.jpg') ? 2 : file === 'rgba.png' ? 1 : 0;
  expectClose(image.data, inflateSync(Buffer.from(deflated, 'base64')), tolerance);
});

test('a picture may be a path, an address or bytes', async () => {
  const path = join(goldens, 'pal.png');
  const bytes = await readFile(path);
  const expected = await readImage(path);
  expect(await readImage(bytes)).toEqual(expected);
  expect(await readImage(pathToFileURL(path))).toEqual(expected);
  expect(await readImage(pathToFileURL(path).href)).toEqual(expected);
  expect(await readImage(`data:image/png;base64,${bytes.toString('base64')}`)).toEqual(expected);
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/pal.png' ? 200 : 404;
    response.end(response.statusCode === 200 ? bytes : 'no');
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    expect(await readImage(`${address}/pal.png`)).toEqual(expected);
    await expect(readImage(`${address}/no.png`)).rejects.toThrow(/no.png cannot be downloaded: the server answers 404/);
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
  await expect(readImage(`${address}/pal.png`)).rejects.toThrow(/cannot be downloaded: .*Check the address/);
});

test('16-bit and CMYK pictures become 8-bit RGB', async () => {
  const deep = sharp(Uint16Array.of(0x1234, 0xffff, 0x8000), { raw: { width: 1, height: 1, channels: 3 } });
  expect([...(await readImage(await deep.toColourspace('rgb16').png().toBuffer())).data]).toEqual([0x12, 0xff, 0x80]);
  const grey = sharp(Uint16Array.of(0x1234, 0xffff), { raw: { width: 2, height: 1, channels: 1 } });
  const png = await grey.toColourspace('grey16').png().toBuffer();
  expect([...(await readImage(png)).data]).toEqual([0x12, 0x12, 0x12, 0xff, 0xff, 0xff]);
  const red = sharp({ create: { width: 8, height: 8, channels: 3, background: '#c81e1e' } });
  const [r, g, b] = (await readImage(await red.toColourspace('cmyk').jpeg().toBuffer())).data;
  expectClose([r!, g!, b!], [0xc8, 0x1e, 0x1e], 40);
});

test('what is transparent stays so, for the preprocessing to judge; what is opaque loses the channel', async () => {
  const raw = { width: 2, height: 1, channels: 2 as const };
  const png = (...values: number[]) => sharp(Buffer.from(values), { raw }).toColourspace('b-w').png().toBuffer();
  const image = await readImage(await png(10, 255, 10, 0));
  expect([...image.data]).toEqual([10, 10, 10, 255, 10, 10, 10, 0]);
  expect([...toRGB(image).data]).toEqual([10, 10, 10, 255, 255, 255]);
  expect([...toRGB(image, 'drop').data]).toEqual([10, 10, 10, 10, 10, 10]);
  expect([...(await readImage(await png(10, 255, 20, 255))).data]).toEqual([10, 10, 10, 20, 20, 20]);
});

test('what is no picture is refused by name, with what to do', async () => {
  const photo = await readFile(join(goldens, 'photo.jpg'));
  const write = async (name: string, bytes: Uint8Array) => {
    await writeFile(join(folder, name), bytes);
    return join(folder, name);
  };
  const refused = async (source: string | Uint8Array, message: RegExp) => {
    const error = await readImage(source).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(message);
  };
  await refused(await write('text.jpg', Buffer.from('hello')), /text.jpg does not decode as a picture: .*convert/);
  await refused(await write('cut.jpg', photo.subarray(0, 1500)), /cut.jpg does not decode as a picture/);
  await refused(await write('empty.jpg', new Uint8Array()), /empty.jpg is empty/);
  await refused(join(folder, 'none.jpg'), /There is no picture at .*none.jpg/);
  await refused(folder, /is a folder/);
  await refused(Buffer.from('hello'), /The picture of 5 bytes does not decode/);
});

test.each(['astronaut', 'cat', 'coffee', 'rocket'])('the example photograph of %s decodes', async (name) => {
  const image = await readImage(fileURLToPath(new URL(`../../examples/photos/${name}.jpg`, import.meta.url)));
  expect(Math.max(image.width, image.height)).toBeLessThanOrEqual(512);
  expect(image.data).toHaveLength(image.width * image.height * 3);
});
