import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { httpStore, memoryStore } from '../../src/io/stores';
import type { Store } from '../../src/io/types';
import { directory } from '../../src/node/directory';

/** What the system answers to the next writes in place of doing them. */
const disk = vi.hoisted(() => ({ fails: undefined as string | undefined }));
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  const open: typeof fs.open = async (...args) => {
    const handle = await fs.open(...args);
    if (disk.fails && args[1] === 'wx')
      handle.writeFile = async (bytes) => {
        await handle.write((bytes as Uint8Array).subarray(0, 2)); // half of it gets there
        throw Object.assign(new Error(disk.fails), { code: disk.fails });
      };
    return handle;
  };
  return { ...fs, open };
});

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stores-'));
});
afterAll(() => rm(root, { recursive: true }));

const bytes = Uint8Array.of(0, 1, 2, 3, 254, 255);
const badNames = ['', '/x', '../x', 'a/../../x', 'a/..', './x', 'a//b', 'a/', 'a\\b', '..\\x', 'C:/x', 'c:x', 'a\0b'];

const writable: [string, () => Store][] = [
  ['memory', memoryStore],
  ['a folder', () => directory(join(root, crypto.randomUUID(), 'deep'))],
];

describe.each(writable)('a store in %s', (_, make) => {
  test('gives back what was written, whole and in part', async () => {
    const store = make();
    await store.write('training/100/model.bin', bytes);
    expect(await store.read('training/100/model.bin')).toEqual(bytes);
    expect(await store.read('training/100/model.bin', { start: 2, end: 5 })).toEqual(Uint8Array.of(2, 3, 254));
    expect(await store.read('training/100/model.bin', { start: 6, end: 6 })).toEqual(new Uint8Array(0));
  });

  test('keeps what it was given, whatever becomes of those bytes', async () => {
    const store = make();
    const given = bytes.slice();
    await store.write('x', given);
    given.fill(9);
    (await store.read('x')).fill(8);
    expect(await store.read('x')).toEqual(bytes);
  });

  test('replaces, lists in order, removes', async () => {
    const store = make();
    expect(await store.list()).toEqual([]);
    for (const name of ['b/two', 'a', 'b/one', 'b.txt']) await store.write(name, bytes);
    await store.write('a', new Uint8Array(0));
    expect(await store.read('a')).toEqual(new Uint8Array(0));
    expect(await store.list()).toEqual(['a', 'b.txt', 'b/one', 'b/two']);
    expect(await store.list('b/')).toEqual(['b/one', 'b/two']);
    await store.remove('b/one');
    await store.remove('b/one');
    await store.remove('never/was');
    expect(await store.list('b/')).toEqual(['b/two']);
  });

  test('says how large a file is, and whether there is one', async () => {
    const store = make();
    await store.write('deep/x', bytes);
    await store.write('empty', new Uint8Array(0));
    expect(await store.size('deep/x')).toBe(6);
    expect(await store.size('empty')).toBe(0);
    for (const name of ['x', 'deep', 'deep/x/y']) expect(await store.size(name), name).toBeUndefined();
  });

  test('says what is missing, and where', async () => {
    const store = make();
    await expect(store.read('config.json')).rejects.toThrow(DataError);
    await expect(store.read('config.json')).rejects.toThrow('config.json');
    await expect(store.read('config.json')).rejects.toThrow(store.location);
  });

  test.each([
    { start: 0, end: 7 },
    { start: 4, end: 3 },
    { start: -1, end: 3 },
    { start: 0.5, end: 3 },
  ])('refuses the range %o', async (range) => {
    const store = make();
    await store.write('x', bytes);
    await expect(store.read('x', range)).rejects.toThrow(/Bytes .* which has 6/);
  });

  test.each(badNames)('refuses the name %j', async (name) => {
    const store = make();
    await expect(store.read(name)).rejects.toThrow(/cannot be a name/);
    await expect(store.write(name, bytes)).rejects.toThrow(DataError);
    await expect(store.remove(name)).rejects.toThrow(DataError);
    await expect(store.size(name)).rejects.toThrow(DataError);
    expect(await store.list()).toEqual([]);
  });
});

describe('a folder', () => {
  afterEach(() => {
    disk.fails = undefined;
  });

  test.each([
    ['ENOSPC', /Could not write .*model\.bin: the disk is full\. Free space/],
    ['EACCES', /Could not write .*model\.bin: there is no permission\. Change/],
  ])('that cannot be written to (%s) keeps the old file and nothing else', async (code, message) => {
    const path = join(root, code);
    const store = directory(path);
    await store.write('model.bin', bytes);
    disk.fails = code;
    const writing = store.write('model.bin', new Uint8Array(9));
    await expect(writing).rejects.toThrow(DataError);
    await expect(writing).rejects.toThrow(message);
    expect(await store.read('model.bin')).toEqual(bytes);
    expect(await readdir(path)).toEqual(['model.bin']);
  });

  test('does not list what a crash left behind, nor lets it be named', async () => {
    const path = join(root, 'crashed');
    await mkdir(path);
    await writeFile(join(path, '.0b5c.tmp'), 'half');
    const store = directory(path);
    expect(await store.list()).toEqual([]);
    await expect(store.read('.0b5c.tmp')).rejects.toThrow(DataError);
    await expect(store.write('a/.x.tmp', bytes)).rejects.toThrow(DataError);
  });

  test('never shows half a file to a reader', async () => {
    const store = directory(join(root, 'busy'));
    const contents = [1, 2].map((value) => new Uint8Array(200_000 * value).fill(value));
    await store.write('x', contents[0]!);
    const writing = (async () => {
      for (let i = 0; i < 20; i++) await store.write('x', contents[i % 2]!);
    })();
    for (let i = 0; i < 40; i++) {
      const read = await store.read('x');
      expect(read.length).toBe(200_000 * read[0]!);
      expect(read.every((value) => value === read[0])).toBe(true);
    }
    await writing;
  });

  test('lists files that are linked, and no folder twice', async () => {
    const path = join(root, 'linked');
    const store = directory(path);
    await store.write('blobs/1', bytes);
    await symlink('blobs/1', join(path, 'model.bin'));
    await symlink('nowhere', join(path, 'dangling'));
    await symlink('.', join(path, 'circle'));
    expect(await store.list()).toEqual(['blobs/1', 'model.bin']);
    expect(await store.read('model.bin')).toEqual(bytes);
  });

  test('says when a file lies where a folder should, and the other way', async () => {
    const store = directory(join(root, 'mixed'));
    await store.write('a/b', bytes);
    await expect(store.read('a')).rejects.toThrow(/not a file|is a folder/);
    await expect(store.write('a/b/c', bytes)).rejects.toThrow(/a part of its path is a file/);
    await expect(store.write('a', bytes)).rejects.toThrow(DataError);
    await expect(store.remove('a')).rejects.toThrow(/Could not remove .*a: it is a folder/);
  });
});

describe('a web server', () => {
  let server: Server;
  let url: string;
  const asked: (string | undefined)[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.headers.range);
      const [, ranges, name] = /^\/(ranges|whole)\/models\/(.*)$/.exec(request.url!) ?? [];
      const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
      if (name === 'broken') return response.writeHead(503, 'Busy').end();
      if (name === 'cut')
        return response.writeHead(200, { 'content-length': 99 }).write(bytes, () => response.destroy());
      if (name !== 'a%20b/%3Fx') return response.writeHead(404).end('<html>');
      if (ranges === 'whole' || !range) return response.end(bytes);
      return response.writeHead(206).end(bytes.subarray(Number(range[1]), Number(range[2]) + 1));
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
  });

  test.each(['ranges/models', 'whole/models/'])('reads, in part too, under %s', async (folder) => {
    const store = httpStore(`${url}/${folder}`);
    expect(await store.read('a b/?x')).toEqual(bytes);
    expect(await store.read('a b/?x', { start: 1, end: 3 })).toEqual(Uint8Array.of(1, 2));
    expect(asked.at(-1)).toBe('bytes=1-2');
    expect(await store.read('a b/?x', { start: 3, end: 3 })).toEqual(new Uint8Array(0));
    await expect(store.read('a b/?x', { start: 4, end: 7 })).rejects.toThrow(DataError);
    await expect(store.read('a b/?x', { start: 4, end: 3 })).rejects.toThrow(DataError);
  });

  test('of a server without ranges a file is fetched once for all of its parts', async () => {
    for (const [folder, times] of [
      ['ranges/models', 3],
      ['whole/models', 1],
    ] as const) {
      const store = httpStore(`${url}/${folder}`);
      expect(await store.size('a b/?x')).toBe(6);
      expect(await store.size('missing')).toBeUndefined();
      asked.length = 0;
      for (let start = 0; start < 3; start++)
        expect(await store.read('a b/?x', { start, end: start + 2 })).toEqual(bytes.slice(start, start + 2));
      expect(asked).toHaveLength(times);
    }
  });

  test('errors name the address and the status', async () => {
    const store = httpStore(`${url}/ranges/models`);
    await expect(store.read('missing')).rejects.toThrow(
      `${url}/ranges/models/missing could not be fetched: status 404`,
    );
    await expect(store.read('broken')).rejects.toThrow('status 503 Busy');
    await expect(store.read('cut')).rejects.toThrow(/models\/cut could not be fetched/);
    await expect(httpStore('http://127.0.0.1:9/').read('x')).rejects.toThrow(DataError);
  });

  test.each(badNames)('refuses the name %j', async (name) => {
    await expect(httpStore(url).read(name)).rejects.toThrow(/cannot be a name/);
  });

  test('an address that is none is refused', () => {
    expect(() => httpStore('models/mine')).toThrow(UsageError);
  });

  test('cannot be changed', async () => {
    const store = httpStore(url);
    for (const change of [store.write('x', bytes), store.remove('x'), store.list()])
      await expect(change).rejects.toThrow(UsageError);
  });
});
