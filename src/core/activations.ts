import * as tf from '@tensorflow/tfjs';
import { DataError } from './errors';
import { ownKernel } from './ownKernel';

/** A function of every single value; the shape stays. */
export type Activation = <T extends tf.Tensor>(x: T) => T;

/** x Phi(x) with the normal distribution function Phi by erf. @see Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415 */
const gelu = withSlope(geluByErf, (x) => ownKernel('Gelu', { x }, { approximate: false })?.[0]);

function geluByErf(x: tf.Tensor) {
  const phi = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
  const density = () => tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return { value: tf.mul(x, phi), slope: () => tf.add(phi, tf.mul(x, density())) };
}

/** 0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3): the same paper's approximation. */
const geluTanh = withSlope(geluByTanh, (x) => ownKernel('Gelu', { x }, { approximate: true })?.[0]);

function geluByTanh(x: tf.Tensor) {
  const [scale, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = tf.square(x);
  const bent = tf.tanh(tf.mul(x, tf.add(tf.mul(square, scale * cubic), scale)));
  const half = tf.mul(tf.add(bent, 1), 0.5);
  const slope = () => {
    const inner = tf.add(tf.mul(square, 1.5 * scale * cubic), 0.5 * scale); // half of du/dx
    return tf.add(half, tf.mul(tf.mul(x, tf.sub(1, tf.square(bent))), inner));
  };
  return { value: tf.mul(x, half), slope };
}

/** x sigmoid(factor x) */
const gated = (factor: number) =>
  withSlope((x) => {
    const gate = tf.sigmoid(factor === 1 ? x : tf.mul(x, factor));
    const slope = () => tf.mul(gate, tf.add(tf.mul(tf.mul(x, factor), tf.sub(1, gate)), 1));
    return { value: tf.mul(x, gate), slope };
  });

const silu = gated(1);

/** By the names that configurations of transformers have for them. */
const ACTIVATIONS: Record<string, Activation> = {
  gelu,
  gelu_python: gelu,
  gelu_10: (x) => tf.clipByValue(gelu(x), -10, 10),
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_accurate: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu_python_tanh: geluTanh,
  quick_gelu: gated(1.702),
  laplace: (x) => tf.mul(tf.add(tf.erf(tf.mul(tf.sub(x, Math.SQRT1_2), Math.SQRT1_2 / 0.282095)), 1), 0.5),
  leaky_relu: (x) => tf.leakyRelu(x, 0.01),
  linear: (x) => x,
  mish: (x) => tf.mul(x, tf.tanh(tf.softplus(x))),
  relu: (x) => tf.relu(x),
  relu2: (x) => tf.square(tf.relu(x)),
  relu6: (x) => tf.relu6(x),
  sigmoid: (x) => tf.sigmoid(x),
  silu,
  swish: silu,
  tanh: (x) => tf.tanh(x),
};

/**
 * The activation that a configuration names, as transformers does.
 *
 * @param setting - where the name stands, for the message
 * @throws DataError for one that is not known
 */
export function activation(name: string, setting = 'hidden_act'): Activation {
  const found = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (found) return found;
  throw new DataError(
    `${setting} is ${JSON.stringify(name)}, which is not supported. It may be one of ${Object.keys(ACTIVATIONS).join(', ')}.`,
  );
}

/** A function with its slope written by hand: fewer passes, and fewer tensors to keep, than the tape would have. */
function withSlope(
  forward: (x: tf.Tensor) => { value: tf.Tensor; slope: () => tf.Tensor },
  own: (x: tf.Tensor) => tf.Tensor | undefined = () => undefined,
): Activation {
  const custom = tf.customGrad((x, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor]);
    const gradFunc = (dy: tf.Tensor, [kept]: tf.Tensor[]) => tf.mul(dy, forward(kept!).slope());
    return { value: own(x as tf.Tensor) ?? forward(x as tf.Tensor).value, gradFunc };
  });
  return <T extends tf.Tensor>(x: T) => custom(x) as T;
}
