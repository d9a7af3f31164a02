import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as meteorEn from '@tfjs-captioning/meteor-en';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadMeteorData } from '../../../src/metrics/meteor/data';

const folder = join(import.meta.dirname, '../../../packages/meteor-en/data');
const asked: string[] = [];
let server: Server;
let address = '';

/** Serves the package's data as it is under /good/, other bytes of it under /other/ and half of it under /half/. */
beforeAll(async () => {
  server = createServer(async ({ url = '' }, response) => {
    const [, place, name = ''] = url.split('/');
    asked.push(url);
    const bytes = await readFile(join(folder, name)).catch(() => undefined);
    const isTable = name.startsWith('paraphrases');
    if (!bytes || !['good', 'other', 'half'].includes(place!)) response.writeHead(404).end();
    else if (place === 'other' && isTable) response.end(gzipSync('paraphrases 0\n and so on'));
    else response.end(place === 'half' && isTable ? bytes.subarray(0, bytes.length / 2) : bytes);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => server.close());

test('the installed package, the imported one and a URL give the same data', async () => {
  for (const data of [
    await loadMeteorData(),
    await loadMeteorData({ from: meteorEn }),
    await loadMeteorData({ from: `${address}/good` }),
  ]) {
    expect(data.functionWords.size).toBe(93);
    expect(data.synsets('bicycles')).toEqual(data.synsets('bicycle'));
    expect([...data.synsets('bike')]).toEqual(expect.arrayContaining([...data.synsets('bicycle')]));
    expect(data.synsets('xyzzy').size).toBe(0);
    expect(data.paraphrases!.trie.words.length).toBe(43_139);
  }
});

test('all paraphrases are there', async () => {
  const { paraphrases } = await loadMeteorData();
  let entries = 0;
  for (let node = 0; node < paraphrases!.trie.childEnds.length; node++)
    entries += paraphrases!.paraphrasesOf(node).length;
  expect(entries).toBe(5_274_084);
});

test('without paraphrases these are not read', async () => {
  asked.length = 0;
  const data = await loadMeteorData({ from: new URL(`${address}/good/`), paraphrases: false });
  expect(data.paraphrases).toBeUndefined();
  expect(asked.sort()).toEqual(['exceptions', 'function-words', 'synsets'].map((name) => `/good/${name}.txt.gz`));
});

test('what is not the data is refused with what to do', async () => {
  await expect(loadMeteorData({ from: `${address}/nowhere` })).rejects.toThrow(
    /answered 404.*does that URL serve them/,
  );
  await expect(loadMeteorData({ from: `${address}/other` })).rejects.toThrow(
    /"paraphrases 0\\n" but should begin with/,
  );
  await expect(loadMeteorData({ from: `${address}/half` })).rejects.toThrow(
    /paraphrases\.bin\.gz could not be unpacked.*damaged/,
  );
  await expect(loadMeteorData({ from: 'http://127.0.0.1:9' })).rejects.toThrow(
    /127\.0\.0\.1:9\/.* could not be reached/,
  );
});

test('loading can be stopped', async () => {
  const reason = new Error('enough');
  await expect(loadMeteorData({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  const loading = loadMeteorData({ from: `${address}/good`, signal: controller.signal });
  controller.abort(reason);
  await expect(loading).rejects.toBe(reason);
});
