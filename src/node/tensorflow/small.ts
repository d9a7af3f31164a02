import * as tf from '@tensorflow/tfjs';
import { geluByErf, geluByTanh, normaliseRows, softmaxRows } from '../rows';
import { numbersOf, type TensorflowBackend, tensorOf } from './host';
import { multiply } from './products';

/** Up to so many numbers are computed sooner in JavaScript than TensorFlow is called, which takes 20 to 50 microseconds. */
const FEW = 4 * 1024;
/** The same of exponentials. */
const FEW_EXPONENTIALS = 4 * 1024;
/** The same of what a dozen operations of TensorFlow would do. */
const FEW_NORMALISED = 64 * 1024;
/** The same of multiplications in a product. */
const FEW_PRODUCTS = 32 * 1024;

type Infos = Record<string, tf.TensorInfo>;
type Small = (backend: TensorflowBackend, inputs: Infos, attrs: tf.NamedAttrMap) => Made | Made[] | undefined;
/** Numbers and their shape. */
type Made = { numbers: Float32Array; shape: readonly number[] };

const sizeOf = ({ shape }: tf.TensorInfo) => tf.util.sizeFromShape(shape);

const isSmall = (x: tf.TensorInfo, most = FEW) => x.dtype === 'float32' && sizeOf(x) > 0 && sizeOf(x) <= most;

const reshape: Small = (backend, inputs, attrs) => {
  const x = inputs.x!;
  if (!isSmall(x)) return undefined;
  return { numbers: numbersOf(backend, x), shape: tf.util.inferFromImplicitShape(attrs.shape as number[], sizeOf(x)) };
};

/** Where no number moves because only axes of size 1 do. */
const transpose: Small = (backend, inputs, attrs) => {
  const x = inputs.x!;
  const perm = attrs.perm as number[];
  const moved = perm.filter((axis) => x.shape[axis] !== 1);
  if (!isSmall(x) || moved.some((axis, i) => i > 0 && axis < moved[i - 1]!)) return undefined;
  return { numbers: numbersOf(backend, x), shape: perm.map((axis) => x.shape[axis]!) };
};

/** Where the smaller one is repeated as a whole, if at all. */
const binary =
  (compute: (x: number, y: number) => number): Small =>
  (backend, inputs) => {
    const [a, b] = [inputs.a!, inputs.b!];
    if (!isSmall(a) || !isSmall(b)) return undefined;
    const [larger, smaller] = sizeOf(a) < sizeOf(b) ? [b, a] : [a, b];
    const inner = smaller.shape.slice(smaller.shape.findIndex((size) => size !== 1));
    const repeated = sizeOf(smaller) === 1 ? [] : inner;
    if (repeated.some((size, i) => size !== larger.shape[larger.shape.length - repeated.length + i])) return undefined;
    const [x, y] = [numbersOf(backend, a), numbersOf(backend, b)];
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const numbers = new Float32Array(sizeOf(larger));
    if (x.length === y.length) for (let i = 0; i < numbers.length; i++) numbers[i] = compute(x[i]!, y[i]!);
    else for (let i = 0; i < numbers.length; i++) numbers[i] = compute(x[i % x.length]!, y[i % y.length]!);
    return { numbers, shape };
  };

const concat: Small = (backend, inputs, attrs) => {
  const all = Object.values(inputs);
  const shapes = all.map(({ shape }) => shape);
  const axis = tf.util.parseAxisParam(attrs.axis as number, shapes[0]!)[0]!;
  const shape = tf.backend_util.computeOutShape(shapes, axis);
  if (tf.util.sizeFromShape(shape) > FEW || !all.every((x) => isSmall(x))) return undefined;
  const numbers = new Float32Array(tf.util.sizeFromShape(shape));
  const width = tf.util.sizeFromShape(shape.slice(axis));
  let begin = 0;
  for (const x of all) {
    const [from, part] = [numbersOf(backend, x), tf.util.sizeFromShape(x.shape.slice(axis))];
    for (let read = 0, write = begin; read < from.length; read += part, write += width)
      numbers.set(from.subarray(read, read + part), write);
    begin += part;
  }
  return { numbers, shape };
};

const split: Small = (backend, inputs, attrs) => {
  const x = inputs.x!;
  if (!isSmall(x)) return undefined;
  const axis = tf.util.parseAxisParam(attrs.axis as number, x.shape)[0]!;
  const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs.numOrSizeSplits as number | number[], axis);
  const from = numbersOf(backend, x);
  const width = tf.util.sizeFromShape(x.shape.slice(axis));
  let begin = 0;
  return sizes.map((size) => {
    const shape = x.shape.map((each, i) => (i === axis ? size : each));
    const numbers = new Float32Array(tf.util.sizeFromShape(shape));
    const part = tf.util.sizeFromShape(shape.slice(axis));
    for (let read = begin, write = 0; write < numbers.length; read += width, write += part)
      numbers.set(from.subarray(read, read + part), write);
    begin += part;
    return { numbers, shape };
  });
};

const softmax: Small = (backend, inputs, attrs) => {
  const logits = inputs.logits!;
  if (!isSmall(logits, FEW_EXPONENTIALS) || attrs.dim !== logits.shape.length - 1) return undefined;
  return { numbers: softmaxRows(numbersOf(backend, logits), logits.shape.at(-1)!), shape: logits.shape };
};

/** Products of batches; a single one is left to TensorFlow, and so are those with a transposed first factor. */
const batchProduct: Small = (backend, inputs, { transposeA, transposeB }) => {
  const [a, b] = [inputs.a!, inputs.b!];
  if (a.shape.length < 3 || transposeA || !isSmall(a, FEW_PRODUCTS) || !isSmall(b, FEW_PRODUCTS)) return undefined;
  const [batch, others] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const [rows, inner] = a.shape.slice(-2) as [number, number];
  const columns = b.shape.at(transposeB ? -2 : -1)!;
  const count = tf.util.sizeFromShape(batch);
  if (count * rows * inner * columns > FEW_PRODUCTS || !tf.util.arraysEqual(batch, others)) return undefined;
  const [x, y] = [numbersOf(backend, a), numbersOf(backend, b)];
  const numbers = new Float32Array(count * rows * columns);
  const [step, along] = transposeB ? [inner, 1] : [1, columns];
  for (let row = 0; row < count * rows; row++) {
    const left = row * inner;
    const right = Math.floor(row / rows) * inner * columns;
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      let place = right + column * step;
      for (let i = left; i < left + inner; i++, place += along) sum += x[i]! * y[place]!;
      numbers[row * columns + column] = sum;
    }
  }
  return { numbers, shape: [...batch, rows, columns] };
};

/** The product by TensorFlow, which reads the weight, and all around it here. */
const dense: Small = (backend, inputs) => {
  const [x, weight, bias] = [inputs.x!, inputs.weight!, inputs.bias!];
  const [inner, columns] = weight.shape as [number, number];
  const rows = sizeOf(x) / inner;
  if (!isSmall(x) || rows * columns > FEW || weight.dtype !== 'float32') return undefined;
  const given = tensorOf(backend, numbersOf(backend, x), [rows, inner]);
  const product = multiply(backend, given, weight, { transposeA: false, transposeB: false });
  const numbers = backend.readSync(product.dataId) as Float32Array;
  product.dispose();
  backend.disposeData(given.dataId);
  const shift = numbersOf(backend, bias);
  for (let i = 0; i < numbers.length; i++) numbers[i]! += shift[i % columns]!;
  return { numbers, shape: [...x.shape.slice(0, -1), columns] };
};

const layerNorm: Small = (backend, inputs, attrs) => {
  const x = inputs.x!;
  if (!isSmall(x, FEW_NORMALISED)) return undefined;
  const [weight, bias] = [numbersOf(backend, inputs.weight!), numbersOf(backend, inputs.bias!)];
  return { numbers: normaliseRows(numbersOf(backend, x), weight, bias, attrs.epsilon as number), shape: x.shape };
};

const gelu: Small = (backend, inputs, attrs) => {
  const x = inputs.x!;
  if (!isSmall(x)) return undefined;
  return { numbers: (attrs.approximate ? geluByTanh : geluByErf)(numbersOf(backend, x)), shape: x.shape };
};

/** By tfjs' names, and by those of `ownKernel`. */
const small: Record<string, Small> = {
  Add: binary((x, y) => x + y),
  BatchMatMul: batchProduct,
  Concat: concat,
  Dense: dense,
  Gelu: gelu,
  LayerNorm: layerNorm,
  Multiply: binary((x, y) => x * y),
  Reshape: reshape,
  Softmax: softmax,
  SplitV: split,
  Transpose: transpose,
};

/** Kernels for few numbers, by name; each leaves what it does not do to the one that it is given, or returns no tensor. */
export const smallKernels = new Map(
  Object.entries(small).map(([name, compute]) => {
    const before =
      (stock: tf.KernelFunc = () => []): tf.KernelFunc =>
      (call) => {
        const backend = call.backend as TensorflowBackend;
        const made = compute(backend, call.inputs as Infos, call.attrs ?? {});
        if (!made) return stock(call);
        const tensor = ({ numbers, shape }: Made) => tensorOf(backend, numbers, shape);
        return Array.isArray(made) ? made.map(tensor) : tensor(made);
      };
    return [name, before];
  }),
);
