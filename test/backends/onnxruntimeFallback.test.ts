import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chooseBackend, cpu } from '../../src/backends/chooseBackend';
import type { OnnxBackend } from '../../src/node/onnxruntime/backend';
import { type Onnxruntime, openOnnxruntime } from '../../src/node/onnxruntime/binding';
import { onnxruntimeCandidate } from '../../src/node/onnxruntime/candidate';
import { onnxModel } from '../../src/node/onnxruntime/model';
import { expectNoLeak } from '../helpers';

let folder: string;
beforeEach(async () => {
  await tf.setBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'onnxruntime-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A package onnxruntime-node whose internal module is this. */
async function packageWith(binding: string) {
  const root = join(folder, 'node_modules', 'onnxruntime-node');
  await mkdir(join(root, 'dist'), { recursive: true });
  await mkdir(join(folder, 'node_modules', 'onnxruntime-common'), { recursive: true });
  await writeFile(join(root, 'package.json'), JSON.stringify({ name: 'onnxruntime-node', version: '9.8.7' }));
  await writeFile(join(root, 'dist', 'binding.js'), binding);
  const tensor =
    'exports.Tensor = class { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } };';
  await writeFile(join(folder, 'node_modules', 'onnxruntime-common', 'index.js'), tensor);
}

/** What is said of onnxruntime when it is looked for in the folder, and cpu is taken instead. */
async function whyNot(open: () => Onnxruntime = () => openOnnxruntime(join(folder, 'program.js'))) {
  const taken = await expectNoLeak(() => chooseBackend([onnxruntimeCandidate(2, open), cpu], {}));
  expect(tf.getBackend()).toBe('cpu');
  expect(taken.name).toBe('cpu');
  expect(taken.tried.map(({ name }) => name)).toEqual(['onnxruntime']);
  return taken.tried[0]!.why;
}

const session = (run: string) => `
  exports.initOrt = () => {};
  exports.binding = { InferenceSession: class { loadModel() {} run(feeds, fetches) { ${run} } } };`;

describe('where onnxruntime cannot be used, the next backend is taken', () => {
  test('it is not installed', async () => {
    expect(await whyNot()).toBe('it is not installed (npm install onnxruntime-node).');
  });

  test('its internal module is gone', async () => {
    await packageWith('');
    await rm(join(folder, 'node_modules', 'onnxruntime-node', 'dist'), { recursive: true });
    expect(await whyNot()).toMatch(/onnxruntime-node 9\.8\.7 is installed, but its binding is not as .* known to work/);
  });

  test.each([
    ['exports nothing', ''],
    ['has no sessions', 'exports.initOrt = () => {}; exports.binding = {};'],
    ['does not load', 'throw new Error("libonnxruntime.so.1: cannot open shared object file");'],
  ])('its internal module %s', async (_, binding) => {
    await packageWith(binding);
    expect(await whyNot()).toMatch(/9\.8\.7 is installed, but its binding is not as this program knows it \(/);
  });

  test('its sessions answer later, and leave the outputs as they were', async () => {
    await packageWith(session('return Promise.resolve({});'));
    expect(await whyNot()).toMatch('it says that [1, 2] + [3, 5] is [0,0]');
  });

  test('its sessions compute wrong numbers', async () => {
    await packageWith(session('fetches.y.data.fill(1); fetches.y.data.set([4, 7]);'));
    expect(await whyNot()).toMatch('computes wrong numbers');
  });

  test('its sessions throw', async () => {
    await packageWith(session('throw new TypeError("run takes four arguments");'));
    expect(await whyNot()).toMatch('run takes four arguments');
  });
});

const installed = (() => {
  try {
    return openOnnxruntime();
  } catch (error) {
    console.warn(`A test of onnxruntime is left out: ${error}`);
    return undefined;
  }
})();

test.skipIf(!installed)('a kernel that throws leaves no memory in use', async () => {
  let broken = false;
  const open = () => ({
    ...installed!,
    load: (...given: Parameters<Onnxruntime['load']>) => {
      const session = installed!.load(...given);
      const run: typeof session.run = (...operands) => {
        if (broken) throw new Error('no memory');
        session.run(...operands);
      };
      return { run };
    },
  });
  await chooseBackend([onnxruntimeCandidate(2, open)], {});
  const { blocks } = tf.backend() as OnnxBackend;
  const before = blocks.memory().inUse;
  await expectNoLeak(() => {
    const x = tf.tidy(() => tf.add(tf.ones([300, 300]), 1));
    broken = true;
    for (const f of [() => tf.matMul(x, x), () => tf.split(x, 3, 1), () => tf.exp(x)])
      expect(() => tf.tidy(() => tf.dispose(f()))).toThrow('no memory');
    x.dispose();
  });
  expect(blocks.memory().inUse).toBe(before);
});

describe('a model as bytes', () => {
  test('is what protobuf makes of it', () => {
    const bytes = onnxModel({
      nodes: [{ op: 'Clip', inputs: ['x', '', 'high'], outputs: ['y'], attributes: { axis: -1 } }],
      inputs: { x: 'float32' },
      outputs: { y: 'bool' },
      constants: { high: { type: 'int64', shape: [300], values: [-2] } },
    });
    // Written down by hand from the wire format and onnx.proto3.
    const hex = Buffer.from(bytes).toString('hex');
    expect(hex).toContain('0a01780a00'); // inputs 'x' and ''
    expect(hex).toContain('2204436c6970'); // op_type 'Clip'
    expect(hex).toContain('0a0461786973' + '18ffffffffffffffffff01' + 'a00102'); // 'axis', i = -1, type INT
    expect(hex).toContain('08ac021007420468696768'); // dims 300, data_type INT64, name 'high'
    expect(hex).toContain('4a08feffffffffffffff'); // raw_data: -2, little-endian
    expect(hex).toContain('0a01791204' + '0a020809'); // output 'y' of type tensor of BOOL
    expect(hex.startsWith('0808')).toBe(true); // ir_version 8
  });
});
