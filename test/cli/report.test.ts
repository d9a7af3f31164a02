import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { drawCurves, runCurves } from '../../src/cli/curves';
import { type RunHistory, readHistory, upTo, writeHistory } from '../../src/cli/history';
import { reportPage } from '../../src/cli/report';
import { openRunLog } from '../../src/cli/runLog';
import { memoryStore } from '../../src/io/stores';
import { directory } from '../../src/node/directory';
import type { TrainStep } from '../../src/training/loop';

const history = (cider: number[], options: Record<string, unknown> = {}): RunHistory => ({
  options: { seed: 1, dropout: 0, ...options },
  pictures: { train: 20, dev: 5 },
  stepsPerEpoch: 10,
  steps: cider.map((_, i) => ({ step: 10 * i + 5, loss: 4 - i, learningRate: 1e-3 })),
  validations: cider.map((value, i) => ({
    epoch: i + 1,
    step: 10 * (i + 1),
    seconds: 60 * (i + 1),
    best: cider.slice(0, i).every((before) => before < value),
    figures: { CIDEr: value, 'training loss': 3 - i, 'development loss': 3.5 - i / 10 },
  })),
});

test('the curves of a run are SVG and PNG, with a mark at the best validation', async () => {
  const store = memoryStore();
  await drawCurves(store, history([0.1, 0.4, 0.3]));
  expect(await store.list()).toEqual(['curves/loss.png', 'curves/loss.svg', 'curves/scores.png', 'curves/scores.svg']);
  const svg = new TextDecoder().decode(await store.read('curves/loss.svg'));
  for (const word of ['training loss', 'development loss', 'as learned', 'best', 'nats per token'])
    expect(svg).toContain(word);
  const { width, height, format } = await sharp(await store.read('curves/loss.png')).metadata();
  expect([format, width, height]).toEqual(['png', 1520, 760]);
});

test('one validation is enough to draw, and nothing is drawn of nothing', () => {
  expect([...runCurves(history([0.2])).keys()]).toEqual(['loss', 'scores']);
  expect([...runCurves(history([])).keys()]).toEqual([]);
});

test('a report has the best of each run, what differs and what does not, and needs nothing else', () => {
  const page = reportPage([
    { name: 'plain', history: history([0.1, 0.4, 0.3]) },
    { name: 'a <b>', history: history([0.2, 0.5], { dropout: 0.4, augment: 'flip' }) },
  ]);
  expect(page).toContain('<td>plain</td><td>2 of 3</td><td>3 min</td><td class="number">0.4000</td>');
  expect(page).toContain('<td class="number best">0.5000</td>');
  expect(page).toContain('<tr><td>dropout</td><td>0</td><td>0.4</td></tr>');
  expect(page).toContain('<tr><td>augment</td><td></td><td>flip</td></tr>');
  expect(page).toContain('<tr><td>seed</td><td>1</td></tr>');
  expect(page).toContain('a &lt;b&gt;');
  expect(page).not.toContain('<b>');
  expect(page.match(/<svg/g)).toHaveLength(2);
  const addresses = page.match(/(?:src|href)="[^#][^"]*"|https?:\/\/(?!www\.w3\.org)/g);
  expect(addresses).toBeNull();
});

test('a history that is read again is the same, and is cut where a training goes on', async () => {
  const store = memoryStore();
  await writeHistory(store, history([0.1, 0.4, 0.3]));
  const read = await readHistory(store);
  expect(read).toEqual(history([0.1, 0.4, 0.3]));
  expect(upTo(read, 20)).toEqual({
    ...history([0.1, 0.4, 0.3]),
    ...{ steps: read.steps.slice(0, 2), validations: read.validations.slice(0, 2) },
  });
});

test('a log goes on from the step of the snapshot and forgets what came after it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'run-'));
  try {
    const store = directory(folder);
    const about = { options: { seed: 1 }, pictures: { train: 20, dev: 5 } };
    const stepOf = (step: number) =>
      ({ step, totalSteps: 4, crossEntropy: step, loss: step, figures: {}, learningRate: 1 }) as unknown as TrainStep;
    const validated = (step: number) => ({ epoch: step / 2, step, seconds: 1, best: true, figures: { CIDEr: step } });
    const first = await openRunLog(store, about, { epochs: 2, from: 0 });
    for (const step of [1, 2]) await first.step(stepOf(step));
    await first.validated(validated(2));
    for (const step of [3, 4]) await first.step(stepOf(step));
    await first.validated(validated(4));
    await first.close();
    const again = await openRunLog(store, about, { epochs: 2, from: 2 });
    for (const step of [3, 4]) await again.step(stepOf(10 + step));
    await again.validated(validated(4));
    await again.close();
    const { steps, validations, stepsPerEpoch } = await readHistory(store);
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 13, 14]);
    expect(validations.map(({ step }) => step)).toEqual([2, 4]);
    expect(stepsPerEpoch).toBe(2);
    const events = await readdir(join(folder, 'tensorboard'));
    expect(events.length).toBeGreaterThan(0);
    expect(events.every((name) => name.includes('tfevents'))).toBe(true);
  } finally {
    await rm(folder, { recursive: true });
  }
});
