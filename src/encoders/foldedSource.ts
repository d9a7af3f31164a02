import type { WeightSource } from '../core/spec';
import type { MobileConfig } from './mobile';
import { type MobileKeys, mobileKeys } from './mobileNames';
import { mobilePlan } from './mobilePlan';

/** The layers `l00`, `l01`, ... of such a file: the convolutions in the order in which pictures meet them. */
function layerNames({ type, names = 'torchvision' }: MobileConfig): { conv: string; norm: string }[] {
  const plan = mobilePlan(type);
  const keys: MobileKeys = mobileKeys(plan, names);
  const blocks = plan.stages.flatMap((stage, at) =>
    stage.flatMap(({ inner, inputs }, index) => {
      const { widen, depthwise, narrow } = keys.block(at, index);
      return [...(inner === inputs ? [] : [widen]), depthwise, narrow];
    }),
  );
  return [keys.stem, ...blocks, keys.head];
}

/**
 * A file of numbered layers with batch norm folded into them (`l00.weight` [out, height, width, in], depthwise [1, height,
 * width, channels], and `l00.bias`), as TensorFlow Lite has them, read under PyTorch's names: the biases become those of batch
 * norms that do nothing else. Layers beyond those of the network, such as a classifier, are left out.
 *
 * @param epsilon - what the network adds to variances
 */
export function foldedSource(source: WeightSource, config: MobileConfig, epsilon: number): WeightSource {
  const tensors = new Map<string, { shape: readonly number[] }>();
  const reads = new Map<string, () => Promise<Float32Array>>();
  for (const [layer, { conv, norm }] of layerNames(config).entries()) {
    const name = `l${String(layer).padStart(2, '0')}`;
    const weight = source.tensors.get(`${name}.weight`);
    if (weight) {
      const [outputs = 0, height = 0, width = 0, inputs = 0] = weight.shape;
      const depthwise = outputs === 1;
      const shape = depthwise ? [inputs, 1, height, width] : [outputs, inputs, height, width];
      tensors.set(`${conv}.weight`, { shape });
      reads.set(`${conv}.weight`, async () =>
        channelsFirst(await source.read(`${name}.weight`), depthwise ? 1 : outputs, height * width, inputs),
      );
    }
    const bias = source.tensors.get(`${name}.bias`);
    if (!bias) continue;
    const [channels = 0] = bias.shape;
    const constant = (value: number) => async () => new Float32Array(channels).fill(value);
    const entries = {
      weight: constant(1),
      bias: () => source.read(`${name}.bias`),
      running_mean: constant(0),
      running_var: constant(1 - epsilon),
    };
    for (const [end, read] of Object.entries(entries)) {
      tensors.set(`${norm}.${end}`, { shape: bias.shape });
      reads.set(`${norm}.${end}`, read);
    }
  }
  return { tensors, where: source.where, read: (name) => reads.get(name)!() };
}

/** [out, positions, in] -> [out, in, positions] */
function channelsFirst(values: Float32Array, outputs: number, positions: number, inputs: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let output = 0; output < outputs; output++)
    for (let position = 0; position < positions; position++)
      for (let input = 0; input < inputs; input++)
        turned[(output * inputs + input) * positions + position] =
          values[(output * positions + position) * inputs + input]!;
  return turned;
}

/** Whether a file is one of numbered layers. */
export const isFolded = ({ tensors }: WeightSource): boolean => tensors.has('l00.weight');
