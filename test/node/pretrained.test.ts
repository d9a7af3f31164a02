import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { openPretrained as openInBrowser } from '../../src/io/pretrained';
import { memoryStore } from '../../src/io/stores';
import { openPretrained } from '../../src/node/pretrained';
import { fromPretrained } from '../../src/node/pretrainedCaptioner';

// Between tries the tests need not wait as long as a busy server wants.
vi.mock('../../src/io/persistentFetch', async (original) => {
  const { persistentFetch } = await original<typeof import('../../src/io/persistentFetch')>();
  return { persistentFetch: (options: object) => persistentFetch({ ...options, wait: 2 }) };
});

const commits = ['a', 'b'].map((letter) => letter.repeat(40)) as [string, string];
const weights = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251);
const config = new TextEncoder().encode('{"model_type":"tiny"}');

const hashOf = (kind: string, ...parts: (string | Uint8Array)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash(kind)).digest('hex');

/** A hub with one model, `owner/tiny`, that can be made to fail. */
class Hub {
  readonly asked: string[] = [];
  branch = commits[0];
  /** Answers to the next requests for a file in place of the right ones. */
  faults: ((request: IncomingMessage, response: ServerResponse) => void)[] = [];
  wrongSum = false;
  down = false;
  url = '';
  readonly files = new Map([
    ['config.json', config],
    ['nested/model.safetensors', weights],
  ]);
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => this.answer(request, response));
  }

  async start() {
    await new Promise<void>((ready) => this.server.listen(0, '127.0.0.1', ready));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((closed) => this.server.close(closed));
  }

  private answer(request: IncomingMessage, response: ServerResponse) {
    const { pathname } = new URL(request.url!, this.url);
    this.asked.push(`${pathname}${request.headers.range ? ` ${request.headers.range}` : ''}`);
    if (this.down) return request.socket.destroy();
    const json = (value: unknown) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(value));
    };
    const [, info, revision] = /^\/api\/models\/(owner\/tiny)\/revision\/(.*)$/.exec(pathname) ?? [];
    if (info) {
      const known = ['main', 'v1', ...commits].includes(revision!);
      if (!known) return response.writeHead(404).end();
      return json({ _id: '1', id: info, sha: revision === 'v1' ? commits[1] : this.branch, lastModified: 0 });
    }
    if (pathname.startsWith('/api/models/owner/tiny/tree/'))
      return json(
        [...this.files].map(([path, bytes]) => {
          const large = bytes.length > 1000;
          const oid = hashOf('sha1', `blob ${bytes.length}\0`, bytes);
          const sum = this.wrongSum ? 'f'.repeat(64) : hashOf('sha256', bytes);
          return {
            type: 'file',
            path,
            size: bytes.length,
            oid,
            ...(large && { lfs: { oid: sum, size: bytes.length } }),
          };
        }),
      );
    const [, name] = /^\/owner\/tiny\/resolve\/[0-9a-f]{40}\/(.*)$/.exec(pathname) ?? [];
    const bytes = this.files.get(name ?? '');
    if (!bytes) return response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    const fault = request.headers.range === 'bytes=0-0' ? undefined : this.faults.shift();
    if (fault) return fault(request, response);
    const [, first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
    response.setHeader('etag', '"x"');
    if (first === undefined) return response.end(bytes);
    response.setHeader('content-range', `bytes ${first}-${last}/${bytes.length}`);
    return response.writeHead(206).end(bytes.subarray(Number(first), Number(last) + 1));
  }
}

const hub = new Hub();
let root: string;
beforeAll(async () => {
  await hub.start();
  root = await mkdtemp(join(tmpdir(), 'hub-'));
});
afterAll(async () => {
  await hub.stop();
  await rm(root, { recursive: true });
});
beforeEach(() => {
  hub.asked.length = 0;
  Object.assign(hub, { faults: [], wrongSum: false, down: false, branch: commits[0] });
});
const cache = () => join(root, crypto.randomUUID());

/** Sends half of a file and hangs up. */
const cutShort = (request: IncomingMessage, response: ServerResponse) => {
  const [, first] = /bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
  const from = Number(first ?? 0);
  const headers = {
    'content-length': weights.length - from,
    'content-range': `bytes ${from}-${weights.length - 1}/${weights.length}`,
  };
  response.writeHead(first === undefined ? 200 : 206, headers);
  response.write(weights.subarray(from, from + 100_000), () => setTimeout(() => response.destroy(), 20));
};
const busy = (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(503).end('busy');
};

describe('a model of the hub, kept on disk', () => {
  test('is fetched once, in the layout of other libraries, and then read without the hub', async () => {
    const folder = cache();
    const options = { hubURL: hub.url, cache: folder };
    const seen: number[] = [];
    const store = await openPretrained('owner/tiny', {
      ...options,
      onProgress: ({ file, loaded, total }) => {
        expect(total).toBe(hub.files.get(file)!.length);
        seen.push(loaded);
      },
    });
    expect(await store.list()).toEqual(['config.json', 'nested/model.safetensors']);
    expect(await store.list('nested/')).toEqual(['nested/model.safetensors']);
    expect(await store.size('nested/model.safetensors')).toBe(weights.length);
    expect(await store.size('other')).toBeUndefined();
    expect(await store.read('nested/model.safetensors', { start: 10, end: 20 })).toEqual(weights.slice(10, 20));
    expect(await store.read('config.json')).toEqual(config);
    expect(seen.at(-1)).toBe(config.length);
    const before = hub.asked.length;
    expect(await store.read('nested/model.safetensors')).toEqual(weights);
    expect(hub.asked.length).toBe(before);

    const model = join(folder, 'models--owner--tiny');
    expect(await readFile(join(model, 'refs/main'), 'utf8')).toBe(commits[0]);
    expect((await readdir(join(model, 'blobs'))).sort()).toEqual(
      [hashOf('sha1', `blob ${config.length}\0`, config), hashOf('sha256', weights)].sort(),
    );
    hub.down = true;
    const offline = await openPretrained('owner/tiny', { ...options, offline: true });
    expect(await offline.read('config.json')).toEqual(config);
    expect(await offline.list()).toEqual(['config.json', 'nested/model.safetensors']);
    expect(hub.asked.length).toBe(before);
    const pinned = await openPretrained('owner/tiny', { ...options, revision: commits[0] });
    expect(await pinned.read('config.json')).toEqual(config);
    expect(hub.asked.length).toBe(before);
    const unreached = await openPretrained('owner/tiny', options);
    expect(await unreached.read('config.json')).toEqual(config);
  });

  test('keeps the commit that it was opened at, and opens another by name', async () => {
    const options = { hubURL: hub.url, cache: cache() };
    const store = await openPretrained('owner/tiny', options);
    hub.branch = commits[1];
    await store.read('config.json');
    expect(hub.asked.filter((path) => path.includes('/resolve/')).every((path) => path.includes(commits[0]))).toBe(
      true,
    );
    hub.asked.length = 0;
    const other = await openPretrained('owner/tiny', { ...options, revision: 'v1' });
    await other.read('config.json');
    // The content is the same, so only the list is asked for.
    expect(hub.asked.some((path) => path.includes(`/tree/${commits[1]}`))).toBe(true);
    expect(hub.asked.some((path) => path.includes('/resolve/'))).toBe(false);
  });

  test('survives a busy hub and goes on where the connection was cut', async () => {
    const store = await openPretrained('owner/tiny', { hubURL: hub.url, cache: cache() });
    hub.faults = [busy, cutShort, cutShort];
    expect(await store.read('nested/model.safetensors')).toEqual(weights);
    const ranges = hub.asked.filter((path) => path.includes('/resolve/')).map((path) => path.split(' ')[1]);
    expect(ranges.filter((range) => range && range !== 'bytes=0-0')).toHaveLength(2);
  });

  test('is refused where it stays cut, comes in damaged, or the hub stays broken', async () => {
    const folder = cache();
    const open = () => openPretrained('owner/tiny', { hubURL: hub.url, cache: folder });
    const store = await open();
    hub.faults = Array.from({ length: 9 }, () => (request, response) => {
      response.writeHead(request.headers.range ? 206 : 200, { 'content-length': 9 });
      response.write('x', () => setTimeout(() => response.destroy(), 5));
    });
    await expect(store.read('nested/model.safetensors')).rejects.toThrow(DataError);
    hub.faults = [];
    hub.wrongSum = true;
    const damaged = (await open()).read('nested/model.safetensors');
    await expect(damaged).rejects.toThrow(/nested\/model.safetensors' of owner\/tiny .*came in damaged: its sha256/);
    expect(await readdir(join(folder, 'models--owner--tiny/blobs'))).toEqual([]);
    hub.wrongSum = false;
    hub.faults = Array.from({ length: 99 }, () => busy);
    await expect((await open()).read('config.json')).rejects.toThrow(/config.json' of owner\/tiny .*Try again/);
    hub.faults = [];
    expect(await (await open()).read('config.json')).toEqual(config);
  });

  test('says what is not there', async () => {
    const options = { hubURL: hub.url, cache: cache() };
    const refused = async (opening: Promise<unknown>, message: RegExp) => {
      const error = await opening.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(DataError);
      expect((error as Error).message).toMatch(message);
    };
    await refused(
      openPretrained('owner/none', options),
      /owner\/none at main could not be fetched: status 404.*spelling/,
    );
    await refused(openPretrained('owner/tiny', { ...options, revision: 'v9' }), /owner\/tiny at v9.*status 404/);
    await refused(
      openPretrained('owner/tiny', { ...options, offline: true }),
      /is not in .*Open it once without offline/,
    );
    await refused((await openPretrained('owner/tiny', options)).read('none.json'), /'none.json' is not in owner\/tiny/);
    await refused((await openPretrained('owner/tiny', options)).read('../x'), /cannot be a name/);
    await refused(openPretrained('./none/at/all'), /There is no folder/);
    await expect(openPretrained('owner/tiny', { ...options, revision: '../x' })).rejects.toThrow(UsageError);
    await expect(openPretrained(root, { revision: 'main' })).rejects.toThrow(UsageError);
    await expect(openPretrained(hub.url, { offline: true })).rejects.toThrow(UsageError);
  });

  test('stops when told to, and leaves nothing behind', async () => {
    const folder = cache();
    const control = new AbortController();
    const store = await openPretrained('owner/tiny', {
      hubURL: hub.url,
      cache: folder,
      signal: control.signal,
      onProgress: () => control.abort(new Error('enough')),
    });
    await expect(store.read('nested/model.safetensors')).rejects.toThrow('enough');
    expect(await readdir(join(folder, 'models--owner--tiny/blobs'))).toEqual([]);
  });

  test('two readers at once fetch it once', async () => {
    const store = await openPretrained('owner/tiny', { hubURL: hub.url, cache: cache() });
    const [first, second] = await Promise.all([store.read('config.json'), store.read('config.json')]);
    expect(first).toEqual(second);
    expect(hub.asked.filter((path) => path.endsWith('/config.json'))).toHaveLength(1);
  });
});

test('a captioner of a folder', async () => {
  await tf.setBackend('cpu');
  const folder = join(import.meta.dirname, '../goldens/models/ved_vit_bert');
  await expect(fromPretrained(join(folder, 'none'))).rejects.toThrow(/There is no folder/);
  const captioner = await fromPretrained(folder);
  const image = { data: new Uint8Array(12), width: 2, height: 2, channels: 3 as const };
  expect((await captioner.caption(image)).tokens.length).toBeGreaterThan(0);
  captioner.dispose();
  expect(tf.memory().numTensors).toBe(0);
});

describe('as in a browser', () => {
  test('parts of files are fetched in blocks and kept, and then read without the hub', async () => {
    const kept = memoryStore();
    const options = { hubURL: hub.url, cache: kept };
    const store = await openInBrowser('owner/tiny', options);
    expect(await store.read('nested/model.safetensors', { start: 10, end: 20 })).toEqual(weights.slice(10, 20));
    expect(await store.read('nested/model.safetensors', { start: 299_000, end: 300_000 })).toEqual(
      weights.slice(299_000),
    );
    expect(hub.asked.filter((path) => path.includes('safetensors') && !path.endsWith('bytes=0-0'))).toHaveLength(1);
    hub.down = true;
    const offline = await openInBrowser('owner/tiny', { ...options, offline: true });
    expect(await offline.read('nested/model.safetensors')).toEqual(weights);
    await expect(offline.read('config.json')).rejects.toThrow(/A part of 'config.json' .*Read it once without offline/);
    await expect(openInBrowser('owner/none', { ...options, offline: true })).rejects.toThrow(/is not in memory/);
    await kept.write('models--owner--tiny/refs/main.json', new TextEncoder().encode('{"commit": "x"}'));
    await expect(openInBrowser('owner/tiny', { ...options, offline: true })).rejects.toThrow(DataError);
    await expect(openInBrowser('./folder')).rejects.toThrow(UsageError);
    await expect(store.write('x', config)).rejects.toThrow(UsageError);
  });

  test('in Node too, where the cache is a store', async () => {
    const kept = memoryStore();
    const store = await openPretrained('owner/tiny', { hubURL: hub.url, cache: kept });
    expect(await store.read('config.json')).toEqual(config);
    expect(await kept.list()).toContain(`models--owner--tiny/blocks/${commits[0]}/config.json/0`);
    const none = await openPretrained('owner/tiny', { hubURL: hub.url, cache: false });
    expect(await none.read('nested/model.safetensors', { start: 3, end: 8 })).toEqual(weights.slice(3, 8));
    await expect(openPretrained('owner/tiny', { cache: false, offline: true })).rejects.toThrow(UsageError);
    await expect(openInBrowser('owner/tiny', { cache: 'folder' })).rejects.toThrow(/folders are for Node/);
  });

  test('an address is read in parts, with patience', async () => {
    const base = `${hub.url}/owner/tiny/resolve/${commits[0]}`;
    for (const open of [openInBrowser, openPretrained]) {
      hub.asked.length = 0;
      hub.faults = [busy];
      const store = await open(base);
      expect(await store.size('none')).toBeUndefined();
      expect(await store.size('config.json')).toBe(config.length);
      expect(await store.read('nested/model.safetensors', { start: 5, end: 9 })).toEqual(weights.slice(5, 9));
      await expect(store.read('none')).rejects.toThrow(/status 404/);
    }
  });
});
