import { test } from 'vitest';
import { Random } from '../../src/core/random';
import { geluByErf, geluByTanh, normaliseRows, softmaxRows } from '../../src/node/rows';
import { expectClose } from '../helpers';
import { transformerGolden } from '../transformerGolden';

const { activations, layerNorm } = transformerGolden('layers.json');
const flat = (values: unknown): Float32Array => Float32Array.from([values].flat(9) as number[]);
const given = flat(activations.x.values);

// float32 of PyTorch against the same rounded once; erf is approximated to 1.5e-7.
test.each([
  ['gelu', geluByErf],
  ['gelu_new', geluByTanh],
] as const)('%s agrees with PyTorch', (name, compute) => {
  const { output } = activations.functions[name];
  expectClose(compute(given), flat(output.values), 5e-7, 5e-7);
});

test('neither overflows far from 0', () => {
  const far = Float32Array.of(-1e20, -1e4, -40, 40, 1e4, 1e20);
  for (const compute of [geluByErf, geluByTanh])
    expectClose(compute(far), Float32Array.of(0, 0, 0, 40, 1e4, 1e20), 1e-30, 1e-7);
});

test('layer norm agrees with PyTorch', () => {
  const { inputs, epsilon, output } = layerNorm;
  const [x, weight, bias] = [inputs.x, inputs.weight, inputs.bias].map((each) => flat(each.values));
  expectClose(normaliseRows(x!, weight!, bias!, epsilon), flat(output.values), 2e-6);
});

test('softmax of rows: each sums to 1, in the proportions of the exponentials, and large numbers do not overflow', () => {
  const logits = new Random(1)
    .fork('logits')
    .uniform(12)
    .map((u) => 1000 * u);
  const chances = softmaxRows(Float32Array.from(logits), 4);
  for (const row of [0, 4, 8]) {
    const [x, p] = [logits.slice(row, row + 4), chances.slice(row, row + 4)];
    const most = Math.max(...x);
    const sum = [...x].reduce((total, each) => total + Math.exp(each - most), 0);
    expectClose(
      p,
      Float64Array.from(x, (each) => Math.exp(each - most) / sum),
      1e-4,
    ); // 1000 has 6e-5 to the next float32
  }
});
