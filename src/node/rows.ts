/** x of rows of `weight.length` numbers, each brought to mean 0 and deviation 1, scaled and shifted. */
export function normaliseRows(x: Float32Array, weight: Float32Array, bias: Float32Array, epsilon: number) {
  const size = weight.length;
  const normal = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    const end = start + size;
    let sum = 0;
    for (let i = start; i < end; i++) sum += x[i]!;
    const mean = sum / size;
    let squares = 0;
    for (let i = start; i < end; i++) squares += (x[i]! - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / size + epsilon);
    for (let i = start, j = 0; i < end; i++, j++) normal[i] = (x[i]! - mean) * scale * weight[j]! + bias[j]!;
  }
  return normal;
}

/** softmax of rows of `size` numbers */
export function softmaxRows(x: Float32Array, size: number): Float32Array {
  const chances = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    const end = start + size;
    let most = -Infinity;
    for (let i = start; i < end; i++) most = Math.max(most, x[i]!);
    let sum = 0;
    for (let i = start; i < end; i++) {
      const power = Math.exp(x[i]! - most);
      chances[i] = power;
      sum += power;
    }
    for (let i = start; i < end; i++) chances[i] = chances[i]! / sum;
  }
  return chances;
}

/** x Phi(x) with Phi by tanh, as in core/activations.ts; tanh(u) = 1 - 2 / (exp(2 u) + 1). */
export function geluByTanh(x: Float32Array): Float32Array {
  const scale = 2 * Math.sqrt(2 / Math.PI);
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    y[i] = value - value / (Math.exp(scale * (value + 0.044715 * value * value * value)) + 1);
  }
  return y;
}

/**
 * x Phi(x) with Phi by erf, to an error of 1.5e-7 x / 2.
 *
 * @see Abramowitz and Stegun 1964, Handbook of Mathematical Functions, formula 7.1.26
 */
export function geluByErf(x: Float32Array): Float32Array {
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    const z = Math.abs(value) * Math.SQRT1_2;
    const t = 1 / (1 + 0.3275911 * z);
    const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    const tail = 0.5 * series * Math.exp(-z * z); // of the normal distribution beyond |x|
    y[i] = value * (value < 0 ? tail : 1 - tail);
  }
  return y;
}
