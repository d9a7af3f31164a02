/**
 * The wasm kernels of TensorFlow.js as they come against the repaired ones, on shapes of a training step.
 *
 *   npx tsx bench/kernels.bench.ts
 *
 * Prints the least of several times per kernel, in milliseconds: the rest is what else the machine was doing.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { repairWasm } from '../src/backends/wasm/repair';
import { machine } from './table';

const random = (...shape: number[]) => tf.randomUniform(shape, -1, 1, 'float32', 7);

/** The gradient by its second argument, without the way forward that `tf.grad` would time along. */
type Kernel = { name: string; inputs: tf.Tensor[]; run: (...inputs: tf.Tensor[]) => tf.Tensor };

const kernel = (name: string, attrs: object, inputs: Record<string, tf.Tensor>) =>
  tf.engine().runKernel<tf.Tensor>(name, inputs, attrs as tf.NamedAttrMap);

function conv(name: string, image: number[], filter: number[], stride: number): Kernel[] {
  const depthwise = filter[3] === 1;
  const [batch, height, width] = image as [number, number, number];
  const outputs = depthwise ? filter[2]! : filter[3]!;
  const dy = random(batch, Math.ceil(height / stride), Math.ceil(width / stride), outputs);
  const attrs = { strides: [stride, stride], pad: 'same', dataFormat: 'NHWC', dilations: [1, 1] };
  const prefix = depthwise ? 'DepthwiseConv2dNative' : 'Conv2D';
  return [
    {
      name: `${name}, by its input`,
      inputs: [dy, random(...filter)],
      run: (dy, filter) =>
        kernel(`${prefix}BackpropInput`, { ...attrs, inputShape: image }, { dy: dy!, filter: filter! }),
    },
    {
      name: `${name}, by its filter`,
      inputs: [random(...image), dy],
      run: (x, dy) => kernel(`${prefix}BackpropFilter`, { ...attrs, filterShape: filter }, { x: x!, dy: dy! }),
    },
  ];
}

function kernels(): Kernel[] {
  const product = (name: string, a: number[], b: number[], transposeA: boolean, transposeB: boolean): Kernel => ({
    name,
    inputs: [random(...a), random(...b)],
    run: (x, y) => tf.matMul(x!, y!, transposeA, transposeB),
  });
  return [
    product('a b, [640,512] [512,3000]', [640, 512], [512, 3000], false, false),
    product("a' b, [640,512] [640,3000]", [640, 512], [640, 3000], true, false),
    product("a b', [640,3000] [512,3000]", [640, 3000], [512, 3000], false, true),
    product('a b, [32,1,49] [32,49,1280]', [32, 1, 49], [32, 49, 1280], false, false),
    product("a b', [32,1,1280] [32,49,1280]", [32, 1, 1280], [32, 49, 1280], false, true),
    product('a b, [16,64,64] [16,64,64]', [16, 64, 64], [16, 64, 64], false, false),
    { name: 'transpose [4096,512]', inputs: [random(4096, 512)], run: (x) => tf.transpose(x!) },
    { name: 'sum of rows [1568,512]', inputs: [random(1568, 512)], run: (x) => tf.sum(x!, 0) },
    { name: 'tanh [32,49,512]', inputs: [random(32, 49, 512)], run: (x) => tf.tanh(x!) },
    {
      name: 'gather 640 rows of [3000,512]',
      inputs: [random(3000, 512), tf.range(0, 640, 1, 'int32')],
      run: (x, rows) => tf.gather(x!, rows as tf.Tensor1D),
    },
    { name: 'tile [49,1280] five times', inputs: [random(1, 49, 1280)], run: (x) => tf.tile(x!, [5, 1, 1]) },
    {
      name: 'slice [32,1,512] of [32,20,512]',
      inputs: [random(32, 20, 512)],
      run: (x) => tf.slice(x!, [0, 7, 0], [32, 1, 512]),
    },
    ...conv('conv 1x1 [4,28,28,192] to 32', [4, 28, 28, 192], [1, 1, 192, 32], 1),
    ...conv('conv 3x3 [4,14,14,128] to 128', [4, 14, 14, 128], [3, 3, 128, 128], 1),
    ...conv('depthwise 3x3 [4,56,56,96]', [4, 56, 56, 96], [3, 3, 96, 1], 1),
    ...conv('depthwise 3x3, stride 2 [4,56,56,96]', [4, 56, 56, 96], [3, 3, 96, 1], 2),
  ];
}

/** Least time of `times` runs in milliseconds; undefined where there is no such kernel. */
function measure({ inputs, run }: Kernel, times = 7): number | undefined {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i++) {
    const begin = performance.now();
    try {
      tf.tidy(() => void run(...inputs));
    } catch {
      return undefined;
    }
    least = Math.min(least, performance.now() - begin);
  }
  return least;
}

await tf.setBackend('wasm');
console.log(machine());
console.log(`wasm with one thread, TensorFlow.js ${tf.version.tfjs}\n`);

const measured = kernels();
const stock = measured.map((one) => measure(one));
repairWasm();
console.log(
  `${'milliseconds'.padEnd(52)}${'as it comes'.padStart(12)}${'repaired'.padStart(12)}${'times'.padStart(8)}`,
);
for (const [i, one] of measured.entries()) {
  const [before, after] = [stock[i], measure(one)!];
  const shown = [before?.toFixed(2) ?? 'missing', after.toFixed(2), before ? (before / after).toFixed(1) : ''];
  console.log(one.name.padEnd(52) + shown[0]!.padStart(12) + shown[1]!.padStart(12) + shown[2]!.padStart(8));
}
