import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';
import { VERSION } from '../src/version';

const root = join(import.meta.dirname, '..');
const core = ['core', 'version'];
const model = [...core, 'attention', 'encoders', 'decoders', 'decoders/types', 'decoders/search'];
const captioner = [...model, 'data', 'io', 'backends'];
const captioners = ['attentionLSTMCaptioner', 'lstmCaptioner', 'transformerCaptioner'];
const training = [...captioner, 'captioner', ...captioners, 'models', 'metrics'];
const surface = [...training, 'training', 'retrieval', 'loadCaptioner'];

/** What the files of each folder, or a file that stands for itself, may import beside their own folder. */
const mayImport: Record<string, readonly string[]> = {
  version: [],
  metrics: ['version'],
  core: ['version'],
  attention: core,
  encoders: [...core, 'attention'],
  decoders: [...core, 'attention', 'decoders/types'],
  'decoders/types': core,
  'decoders/search': [...core, 'decoders/types'],
  data: core,
  io: core,
  backends: core,
  captioner,
  attentionLSTMCaptioner: [...captioner, 'captioner'],
  lstmCaptioner: [...captioner, 'captioner'],
  transformerCaptioner: [...captioner, 'captioner'],
  loadCaptioner: [...captioner, ...captioners],
  models: [...captioner, 'captioner'],
  training: [...training, 'retrieval'],
  retrieval: [...captioner, 'captioner', 'models'],
  public: surface,
  index: ['public', 'backends', 'io', 'models'],
  indexNode: ['public', 'node/'],
  'node/': surface,
  node: ['node/'],
  cli: [...surface, 'node/'],
};
/** May import what Node provides. */
const nodeOnly = ['node', 'node/', 'indexNode', 'cli'];

/** Where a file of src belongs: the longest name above that it is or lies in. `node/` is the folder, `node` the entry. */
function placeOf(file: string): string {
  const fits = (place: string) => file === place || file.startsWith(place.endsWith('/') ? place : `${place}/`);
  const place = Object.keys(mayImport)
    .filter(fits)
    .sort((a, b) => b.length - a.length)[0];
  expect(
    place,
    `the folder of src/${file}; a new one has to be added to this test and to docs/ARCHITECTURE.md`,
  ).toBeDefined();
  return place!;
}

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replaceAll('\\', '/').slice(0, -'.ts'.length));

const imports = files.flatMap((file) => {
  const text = readFileSync(join(root, 'src', `${file}.ts`), 'utf8');
  const statements = text.matchAll(/\bfrom '([^']+)'|\bimport(?:\(|\s*)'([^']+)'/g);
  return [...statements].map(([, from, alone]) => ({ file, from: (from ?? alone)! }));
});

test('imports point one way', () => {
  const wrong = imports
    .filter(({ from }) => from.startsWith('.'))
    .map(({ file, from }) => ({ file, to: posix.join(posix.dirname(file), from).replace(/\/index$/, '') }))
    .filter(({ file, to }) => placeOf(file) !== placeOf(to) && !mayImport[placeOf(file)]!.includes(placeOf(to)));
  expect(wrong.map(({ file, to }) => `src/${file}.ts imports src/${to}`)).toEqual([]);
});

test('tfjs is imported whole and under one name; only backends know its parts', () => {
  const wrong = imports.filter(
    ({ file, from }) =>
      from.startsWith('@tensorflow/') &&
      from !== '@tensorflow/tfjs' &&
      !/^(backends\/|node\/(backends|wasmThreads)$)/.test(file),
  );
  expect(wrong).toEqual([]);
  const inMetrics = imports.filter(({ file, from }) => file.startsWith('metrics/') && !from.startsWith('.'));
  expect(inMetrics, 'metrics need no package at all').toEqual([]);
});

test('what Node provides stays behind the Node entries, so that the rest runs in a browser', () => {
  const outside = imports.filter(({ from }) => /^(node:|sharp$|commander$)/.test(from));
  expect(outside.length).toBeGreaterThan(0);
  expect(outside.filter(({ file }) => !nodeOnly.includes(placeOf(file)))).toEqual([]);
});

test('the version in checkpoints is that of the package', () => {
  expect(VERSION).toBe(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version);
});
