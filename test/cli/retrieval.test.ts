import { copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { AttentionLSTMCaptioner } from '../../src/attentionLSTMCaptioner';
import { Random } from '../../src/core/random';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { DualEncoder } from '../../src/models/dualEncoder';
import { directory } from '../../src/node/directory';
import { readImage } from '../../src/node/image';
import { ImageTextIndex } from '../../src/retrieval/imageTextIndex';
import { type ProgramResult, startProgram } from './program';

await tf.setBackend('cpu');
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 }); // every test starts programs, some of them several

const golden = join(import.meta.dirname, '../goldens/models/blip_itm');
let folder: string;
let built: ProgramResult;
const at = (...path: string[]) => join(folder, ...path);

const start = (args: readonly string[]) => startProgram(args, at('cache'));
const run = (...args: string[]) => start(args).done;
const index = (output: string, ...more: string[]) =>
  ['index', '--image-path', at('pictures'), '--model-path', at('dual'), '--output', at(output), ...more] as const;

const colours = ['red', 'blue', 'green', 'white'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-captioning-'));
  const tokenizer = await WordTokenizer.fromCaptions(['a red blue green white square'], { minCount: 1 });
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 32, channels: [4, 8, 8] }, new Random(1));
  const dual = DualEncoder.create({
    encoder,
    tokenizer,
    embeddingSize: 8,
    hiddenSize: 16,
    projectionSize: 12,
    seed: 3,
  });
  await dual.save(directory(at('dual')));
  const sizes = { hiddenSize: 8, attentionSize: 4, embeddingSize: 4, generation: { maxLength: 5 } };
  const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes });
  await captioner.save(directory(at('captioner')));
  for (const part of [dual, captioner, encoder]) part.dispose();
  await mkdir(at('pictures'));
  for (const background of colours)
    await sharp({ create: { width: 40, height: 30, channels: 3, background } })
      .png()
      .toFile(at('pictures', `${background}.png`));
  await copyFile(at('pictures', 'red.png'), at('pictures', 'red copy.png'));
  await writeFile(at('pictures', 'broken.jpg'), 'no picture');
  built = await run(...index('archive'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** The whole order of pictures for a text, by the library alone. */
async function expectedFor(text: string): Promise<string[]> {
  const dual = await DualEncoder.load(directory(at('dual')));
  try {
    const names = ['blue.png', 'green.png', 'red copy.png', 'red.png', 'white.png'];
    const images = await Promise.all(names.map((name) => readImage(at('pictures', name))));
    const [seen, read] = [await dual.embedImages(images), await dual.embedTexts([text])];
    const scores = tf.tidy(() => tf.squeeze(tf.matMul(seen, read, false, true)).arraySync() as number[]);
    tf.dispose([seen, read]);
    return names
      .map((name, i) => ({ name: at('pictures', name), score: scores[i]! }))
      .sort((a, b) => b.score - a.score)
      .map(({ name }) => name);
  } finally {
    dual.dispose();
  }
}

describe('index and search', () => {
  test('unreadable pictures are named and counted, the others found by words', async () => {
    expect(built.status, built.err).toBe(0);
    expect(built.out).toBe(`${at('archive')} holds 5 pictures; 1 of 6 could not be read and are named above.\n`);
    expect(built.err).toMatch(/Warning: .*broken\.jpg does not decode/);

    const found = await run('search', '--index', at('archive'), '--text', 'a red square', '--json');
    expect(found.status, found.err).toBe(0);
    const results: { image: string; score: number }[] = JSON.parse(found.out);
    const expected = await expectedFor('a red square');
    // Copies are alike to the last bit, in the order in which the folder lists them.
    expect(results.map(({ image }) => image)).toEqual(expected);
    const { out } = await run('search', '--index', at('archive'), '--image', at('pictures', 'blue.png'), '--top', '2');
    expect(out.split('\n')[0]).toMatch(/^1\.000 {2}.*blue\.png$/);
    expect(out.trim().split('\n')).toHaveLength(2);
  });

  test('what is done is not done again, and captions and tags can come later', async () => {
    await run(...index('later', '--int8'));
    const again = await run(...index('later'));
    expect(again.err).not.toMatch(/Warning: .*(red|blue)/);
    await writeFile(at('tags.txt'), 'red\nblue\n\ngreen\n');
    const more = ['--captions', '--captioner', at('captioner'), '--tags', at('tags.txt')];
    const described = await run(...index('later', ...more));
    expect(described.status, described.err).toBe(0);
    const restored = await ImageTextIndex.load(directory(at('later')));
    expect([restored.type, restored.count]).toEqual(['int8', 5]);
    for (const id of restored.ids) {
      const { caption, tags } = restored.get(id)!.metadata as { caption: string; tags: string[] };
      expect(typeof caption).toBe('string');
      expect([...tags].sort()).toEqual(['blue', 'green', 'red']);
    }
    const { out } = await run('search', '--index', at('later'), '--text', 'white', '--top', '1', '--json');
    expect(Object.keys(JSON.parse(out)[0])).toEqual(['image', 'score', 'caption', 'tags']);
  });

  test('near-duplicates in groups', async () => {
    const { out, status } = await run('search', '--index', at('archive'), '--duplicates', '0.999999', '--json');
    expect(status).toBe(0);
    const groups: { ids: string[] }[] = JSON.parse(out);
    expect(groups.map(({ ids }) => ids)).toContainEqual([at('pictures', 'red copy.png'), at('pictures', 'red.png')]);
    const text = await run('search', '--index', at('archive'), '--duplicates', '0.999999');
    expect(text.out).toMatch(/2 pictures, cosine 1\.000\n.*red copy\.png\n.*red\.png\n/);
  });

  test('what is gone is taken out when asked for', async () => {
    const lost = at('pictures', 'lost.png');
    await copyFile(at('pictures', 'green.png'), lost);
    expect((await run(...index('pruned'))).out).toMatch(/holds 6 pictures/);
    await rm(lost);
    expect((await run(...index('pruned', '--prune'))).out).toMatch(/holds 5 pictures.*1 that are gone/);
  });

  test('results are looked at again by BLIP', async () => {
    await mkdir(at('blip'));
    for (const name of [
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
      'special_tokens_map.json',
      'vocab.txt',
    ])
      await copyFile(join(golden, name), at('blip', name));
    const { vision_config } = JSON.parse(await readFile(at('blip', 'config.json'), 'utf8'));
    const size = { height: vision_config.image_size, width: vision_config.image_size };
    await writeFile(
      at('blip', 'preprocessor_config.json'),
      JSON.stringify({ image_processor_type: 'BlipImageProcessor', size }),
    );
    const asked = [
      'search',
      '--index',
      at('archive'),
      '--text',
      'a red square',
      '--rerank',
      at('blip'),
      '--rerank-first',
      '3',
    ];
    const { out, status, err } = await run(...asked, '--json');
    expect(status, err).toBe(0);
    const results: { image: string; match?: number }[] = JSON.parse(out);
    expect(results).toHaveLength(5);
    const [first, second, third, ...others] = results.map(({ match }) => match);
    expect(first).toBeGreaterThanOrEqual(second!);
    expect(second).toBeGreaterThanOrEqual(third!);
    expect(others).toEqual([undefined, undefined]);
    const before = (await expectedFor('a red square')).slice(0, 3);
    expect(
      results
        .slice(0, 3)
        .map(({ image }) => image)
        .sort(),
    ).toEqual(before.sort());
  });

  test('what was embedded stays when it is stopped', async () => {
    await mkdir(at('many'));
    for (let i = 0; i < 80; i++)
      await sharp({ create: { width: 600, height: 400, channels: 3, background: { r: 3 * i, g: 50, b: 90 } } })
        .jpeg()
        .toFile(at('many', `${100 + i}.jpg`));
    const args = ['index', '--image-path', at('many'), '--model-path', at('dual'), '--output', at('stopped')];
    const { child, done } = start([...args, '--batch-size', '1', '--save-every', '0.000001']);
    const store = directory(at('stopped'));
    while ((await store.size('index.json')) === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGINT');
    const { status, err } = await done;
    expect(status, err).toBe(130);
    const kept = (await ImageTextIndex.load(store)).count;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(80);
    const rest = await run(...args);
    expect(rest.out).toMatch(/holds 80 pictures\.\n/);
    expect((await ImageTextIndex.load(store)).ids).toEqual(
      Array.from({ length: 80 }, (_, i) => at('many', `${100 + i}.jpg`)),
    );
  });
});

describe.concurrent('wrong use', () => {
  test.each<[string, () => string[], RegExp, number]>([
    ['nothing to look for', () => ['search', '--index', at('x')], /one of --text, --image and --duplicates/, 2],
    ['two things', () => ['search', '--index', at('x'), '--text', 'a', '--duplicates'], /one of --text/, 2],
    [
      're-ranking a picture',
      () => ['search', '--index', at('x'), '--duplicates', '--rerank', 'a/b'],
      /belongs to --text/,
      2,
    ],
    ['no result', () => ['search', '--index', at('x'), '--text', 'a', '--top', '0'], /at least 1/, 2],
    ['no index', () => ['search', '--index', at('none'), '--text', 'a'], /index\.json/, 1],
    [
      'no pictures',
      () => ['index', '--image-path', at('none'), '--model-path', at('dual'), '--output', at('y')],
      /no picture or folder/,
      1,
    ],
    [
      'no model',
      () => ['index', '--image-path', at('pictures'), '--model-path', at('none'), '--output', at('y')],
      /none/,
      1,
    ],
    [
      'a model that captions',
      () => ['index', '--image-path', at('pictures'), '--model-path', at('captioner'), '--output', at('y')],
      /'attention-lstm'.*dual-encoder, clip/,
      1,
    ],
    ['a captioner without captions', () => [...index('y', '--captioner', at('captioner'))], /belongs to --captions/, 2],
  ])('%s', async (_, args, message, status) => {
    const result = await run(...args());
    expect(result.err).toMatch(message);
    expect(result.status).toBe(status);
    expect(result.out).toBe('');
    expect(await directory(at('y')).size('index.json')).toBeUndefined();
  });

  test('an index goes on with its own model and type alone', async () => {
    await cp(at('archive'), at('own'), { recursive: true });
    await directory(at('copy')).write('config.json', await directory(at('dual')).read('config.json'));
    const other = await run('index', '--image-path', at('pictures'), '--model-path', at('copy'), '--output', at('own'));
    expect([other.status, other.err]).toEqual([2, expect.stringMatching(/made with .*dual/)]);
    const smaller = await run(...index('own', '--int8'));
    expect([smaller.status, smaller.err]).toEqual([2, expect.stringMatching(/float32/)]);
  });
});
