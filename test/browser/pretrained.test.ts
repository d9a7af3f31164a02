import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';
import { openWeights } from '../../src/io/weights';
import { directory } from '../../src/node/directory';
import { noBrowser, openPage, type Page } from './page';

const models = join(import.meta.dirname, '../goldens/models');
const weights = [
  ['checkpoint_formats/f16', 'model.safetensors'],
  ['checkpoint_formats', 'pytorch_model.bin'],
  ['keras_h5', 'keras3.weights.h5'],
] as const;
const tokenizer = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'];

describe.skipIf(noBrowser)('published models in a browser', () => {
  let page: Page;
  let hub: Server;
  const bytes = Uint8Array.from({ length: 5000 }, (_, index) => index % 251);

  beforeAll(async () => {
    const names = [
      ...weights.map(([folder, file]) => `${folder}/${file}`),
      ...tokenizer.map((file) => `tokenizer_clip/${file}`),
    ];
    const files = names.map((name) => [`/${name}`, readFileSync(join(models, name))] as const);
    page = await openPage('pretrained.page.ts', { files: Object.fromEntries(files) });
    hub = createServer((request, response) => {
      response.setHeader('access-control-allow-origin', '*');
      response.setHeader('access-control-allow-headers', '*');
      response.setHeader('access-control-expose-headers', '*');
      const url = request.url!;
      const json = (value: unknown) =>
        response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
      if (request.method === 'OPTIONS') return response.end();
      if (url.startsWith('/api/models/a/b/revision')) return json({ id: 'a/b', sha: 'c'.repeat(40), lastModified: 0 });
      const oid = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      if (url.startsWith('/api/models/a/b/tree'))
        return json([{ type: 'file', path: 'x.bin', size: bytes.length, oid }]);
      const [, first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? ['', '0', `${bytes.length - 1}`];
      response.setHeader('content-range', `bytes ${first}-${last}/${bytes.length}`);
      response.setHeader('etag', '"x"');
      return response.writeHead(206).end(bytes.subarray(Number(first), Number(last) + 1));
    });
    await new Promise<void>((ready) => hub.listen(0, '127.0.0.1', ready));
  });
  afterAll(async () => {
    await page?.close();
    hub?.closeAllConnections();
    hub?.close();
  });

  test.each(weights)('the weights of %s/%s are those that Node reads', async (folder, file) => {
    const source = await openWeights(directory(join(models, folder)), { file });
    const sums = await page.call<Record<string, number>>('sumsOf', `/${folder}`, file);
    expect(Object.keys(sums)).toEqual([...source.tensors.keys()]);
    for (const [name, sum] of Object.entries(sums))
      expect(sum, name).toBe((await source.read(name)).reduce((total, value) => total + value, 0));
  });

  test('a tokenizer gives the ids that it gives in Node', async () => {
    const text = "A dog's café — ΣΑΣ 🐕";
    const { ids } = (await PretrainedTokenizer.load(directory(join(models, 'tokenizer_clip')))).encodeText(text);
    expect(await page.call('tokensOf', '/tokenizer_clip', text)).toEqual(ids);
  });

  test('a file of the hub is kept in the files of the browser', async () => {
    const address = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
    const sum = bytes.reduce((total, byte) => total + byte, 0);
    expect(await page.call('fromHub', 'a/b', address, 'x.bin')).toEqual([sum, sum]);
  });
});
