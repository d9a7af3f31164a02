import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { fileShape, specLeaves, type WeightSource } from '../../src/core/spec';
import { type Architecture, ConvNetwork } from '../../src/encoders/convNetwork';
import { type InceptionV3Config, inceptionV3 } from '../../src/encoders/inceptionV3';
import { type MobileConfig, mobile } from '../../src/encoders/mobile';
import { type ResNetConfig, resNet } from '../../src/encoders/resnet';
import { type ResNetName, resNetShape } from '../../src/encoders/resnetPlan';
import { type VGGConfig, vgg } from '../../src/encoders/vgg';
import { gradients } from '../../src/training/gradients';
import { byKey } from '../goldenModels/gradNorms';
import { expectNoLeak } from '../helpers';
import { expectSome, noise, type Some } from './formula';

await tf.setBackend('cpu');

type Case = {
  keys: number;
  digest: string;
  size?: [number, number];
  features?: Some;
  gradients?: Record<string, Some>;
};
const { cases }: { cases: Record<string, Case> } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../goldens/encoders.json'), 'utf8'),
);

/** The same script's weights, under the names and in the shapes of the model. */
function sourceOf({ spec }: Architecture<never>, keras: boolean): WeightSource {
  const leaves = [...specLeaves(spec).values()].filter(({ absent }) => absent === undefined);
  const tensors = new Map(leaves.map((leaf) => [leaf.key, { shape: fileShape(leaf) }]));
  const read = async (name: string) => {
    const { shape } = tensors.get(name)!;
    const u = noise(name, tf.util.sizeFromShape(shape));
    const fanIn = tf.util.sizeFromShape(keras ? shape.slice(0, -1) : shape.slice(1));
    if (shape.length === 4) return u.map((value) => value * Math.sqrt(6 / fanIn));
    const end = name.split(/[./]/).at(-1)!;
    if (['running_var', 'moving_variance'].includes(end)) return u.map((value) => 1 + 0.5 * value);
    return u.map((value) => (['weight', 'gamma'].includes(end) ? 1 + 0.2 * value : 0.1 * value));
  };
  return { tensors, read, where: 'the formula of the script' };
}

function digestOf({ tensors }: WeightSource): string {
  const lines = [...tensors].map(([name, { shape }]) => `${name} ${shape.join(',')}`);
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
}

type Size = readonly [number, number];
const trained = { batchNorm: 'trained' } as const;
const asVGG =
  (type: VGGConfig['type'], more: Partial<VGGConfig> = {}) =>
  (imageSize: Size) =>
    vgg({ type, imageSize, ...trained, ...more });
const asMobile =
  (type: MobileConfig['type'], more: Partial<MobileConfig> = {}) =>
  (imageSize: Size) =>
    mobile({ type, imageSize, ...trained, ...more });
const asResNet =
  (name: ResNetName, more: Partial<ResNetConfig> = {}) =>
  (imageSize: Size) =>
    resNet({ type: 'resnet', imageSize, ...trained, ...resNetShape(name), ...more });
const asInception =
  (more: Partial<InceptionV3Config> = {}) =>
  (imageSize: Size) =>
    inceptionV3({ type: 'inception-v3', imageSize, ...trained, ...more });
const timm = { names: 'timm' } as const;
const fromTensorFlow = { ...timm, tensorflow: true };
const networks: Record<string, (size: Size) => unknown> = {
  vgg11_bn: asVGG('vgg11', { normed: true }),
  vgg13: asVGG('vgg13'),
  vgg16: asVGG('vgg16'),
  'vgg16 stage 4': asVGG('vgg16', { stage: 4 }),
  vgg19: asVGG('vgg19'),
  inception_v3: asInception(),
  mobilenet_v2: asMobile('mobilenet-v2-torch'),
  mobilenet_v3_large: asMobile('mobilenet-v3-large'),
  mobilenet_v3_small: asMobile('mobilenet-v3-small'),
  efficientnet_b0: asMobile('efficientnet-b0'),
  efficientnet_b1: asMobile('efficientnet-b1'),
  efficientnet_b2: asMobile('efficientnet-b2'),
  efficientnet_b3: asMobile('efficientnet-b3'),
  efficientnet_b4: asMobile('efficientnet-b4'),
  'timm mobilenetv3_large_100': asMobile('mobilenet-v3-large', timm),
  'timm mobilenetv3_small_100': asMobile('mobilenet-v3-small', timm),
  'timm efficientnet_b1': asMobile('efficientnet-b1', timm),
  'timm tf_efficientnet_b2': asMobile('efficientnet-b2', fromTensorFlow),
  'timm tf_efficientnet_lite0': asMobile('efficientnet-lite0', fromTensorFlow),
  'timm efficientnet_lite1': asMobile('efficientnet-lite1', fromTensorFlow),
  'timm efficientnet_lite2': asMobile('efficientnet-lite2', fromTensorFlow),
  'timm efficientnet_lite3': asMobile('efficientnet-lite3', fromTensorFlow),
  'timm efficientnet_lite4': asMobile('efficientnet-lite4', fromTensorFlow),
  'resnet50 dilated': asResNet('resnet50', { dilated: [false, false, true, true] }),
  resnext50_32x4d: asResNet('resnext50_32x4d'),
  resnet18: asResNet('resnet18'),
  resnet34: asResNet('resnet34'),
  resnet101: asResNet('resnet101'),
  resnet152: asResNet('resnet152'),
  wide_resnet50_2: asResNet('wide_resnet50_2'),
  'timm resnet18d': asResNet('resnet18d'),
  'timm resnet50d': asResNet('resnet50d'),
  'keras VGG16': asVGG('vgg16', { names: 'keras' }),
  'keras InceptionV3': asInception({ names: 'keras' }),
};

describe.each(Object.entries(cases))('%s', (name, golden) => {
  const size = golden.size ?? [224, 224];
  const architecture = networks[name]!(size) as Architecture<never>;
  const keras = name.startsWith('keras');
  const source = sourceOf(architecture, keras);

  test('names and shapes of the parameters are those of the reference', () => {
    // The reference has what follows stage 4 too; it has no parameters.
    expect(source.tensors.size).toBe(golden.keys);
    expect(digestOf(source)).toBe(golden.digest);
  });

  test.runIf(golden.features)('features and gradients are those of the reference', { timeout: 120_000 }, () =>
    expectNoLeak(async () => {
      const network = await ConvNetwork.load(architecture, source);
      tf.tidy(() => {
        const [height, width] = size;
        let pixels = tf.tensor4d(noise('pixels', height * width * 3), [1, height, width, 3]);
        if (name === 'keras VGG16') pixels = tf.reverse(pixels, 3); // the reference was given blue first
        let features: tf.Tensor4D | undefined;
        const loss = () => {
          features = tf.keep(network.stages(pixels).at(-1)!);
          return tf.sum(tf.mul(features, tf.tensor(noise('gradient', features.size), features.shape))) as tf.Scalar;
        };
        const wanted = golden.gradients ?? {};
        const asked = [...specLeaves(architecture.spec)].filter(([, { key }]) => key in wanted).map(([path]) => path);
        if (asked.length === 0) loss();
        else {
          const all = parametersOf(network.params);
          const { grads } = gradients(loss, new Map(asked.map((path) => [path, all.get(path)!])));
          const found = byKey(architecture.spec, grads);
          for (const [key, some] of Object.entries(wanted)) expectSome(found.get(key)!, some);
        }
        const [, rows, columns, channels] = features!.shape;
        expect([rows, columns, channels]).toEqual([...network.grid, network.featureSize]);
        expectSome(features!, golden.features!);
        features!.dispose();
      });
      network.dispose();
    }),
  );
});
