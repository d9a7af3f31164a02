import * as tf from '@tensorflow/tfjs';
import { uniform } from '../../src/core/init';
import { parametersOf } from '../../src/core/parameters';
import { MobileNetV2 } from '../../src/encoders/mobilenetV2';
import { clipFactor, gradients } from '../../src/training/gradients';
import { readInput, readPlan, readWeights, seed, writeInput, writePlan, writeWeights } from './files';
import { resNet50, resNet50Params } from './resnet50';
import type { Plan, Work } from './types';

type Network = 'mobilenetv2' | 'resnet50';

type EncoderPlan = Plan & { network: Network; backward: boolean };

/** Numbers of the features that have to agree, from all over them. */
const SAMPLES = 64;

function build(network: Network) {
  if (network === 'resnet50') {
    const params = resNet50Params(seed.fork('encoder'));
    return { params, encode: (pixels: tf.Tensor4D): tf.Tensor => resNet50(params, pixels) };
  }
  const encoder = new MobileNetV2({ type: 'mobilenet-v2', imageSize: 224 }, seed.fork('encoder'));
  return { params: encoder.params, encode: (pixels: tf.Tensor4D): tf.Tensor => encoder.encode(pixels) };
}

export async function prepareEncoder(
  folder: string,
  network: Network,
  images: number,
  backward: boolean,
): Promise<void> {
  const plan: EncoderPlan = { kind: 'encoder', network, backward };
  await writePlan(folder, plan);
  await writeInput(folder, [images, 224, 224, 3], true);
  const parameters = parametersOf(build(network).params);
  for (const [name, parameter] of parameters) // or all of them would be 0
    if (name.endsWith('.bias')) parameter.assign(uniform(parameter.shape as [number], 0.1, seed.fork(name)));
  await writeWeights(folder, Object.fromEntries(parameters));
  tf.dispose([...parameters.values()]);
}

/** Features of pictures; or the gradient of all weights by the mean square of the features, and its norm. */
export async function encode(folder: string): Promise<Work> {
  const { network, backward } = await readPlan<EncoderPlan>(folder);
  const { params, encode } = build(network);
  await readWeights(folder, params);
  const pixels = await readInput<tf.Tensor4D>(folder);
  const parameters = parametersOf(params);

  const forward = () => tf.tidy(() => encode(pixels));
  const gradientNorm = () => {
    const { loss, grads } = gradients(() => tf.mean(tf.square(encode(pixels))), parameters);
    const { norm, factor } = clipFactor(grads, 1);
    tf.dispose([loss, factor, ...grads.values()]);
    return norm;
  };

  return {
    run: backward ? gradientNorm : forward,
    async check() {
      const features = forward();
      const values = await features.data();
      features.dispose();
      const stride = Math.floor(values.length / SAMPLES);
      const numbers = { features: Array.from({ length: SAMPLES }, (_, i) => values[i * stride]!) };
      if (!backward) return { numbers };
      const norm = gradientNorm();
      const value = [...(await norm.data())];
      norm.dispose();
      return { numbers: { ...numbers, gradientNorm: value } };
    },
  };
}
