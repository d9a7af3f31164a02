import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { encodeImages } from '../../src/captioner';
import { DataError, UsageError } from '../../src/core/errors';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { ConvNetwork } from '../../src/encoders/convNetwork';
import { createEncoder } from '../../src/encoders/create';
import { Positioned, sinusoidalPlaces } from '../../src/encoders/positioned';
import { resNet } from '../../src/encoders/resnet';
import { SideBySide } from '../../src/encoders/sideBySide';
import { Stages } from '../../src/encoders/stages';
import type { Encoder } from '../../src/encoders/types';
import { gradients } from '../../src/training/gradients';
import { mechanismGolden } from '../attention/golden';
import { expectClose, expectNoLeak } from '../helpers';
import { tinyPicture } from '../training/tiny';

await tf.setBackend('cpu');

const conv = (channels: number[], seed = 1) =>
  new ConvEncoder({ type: 'conv', imageSize: 8, channels }, new Random(seed));
const network = () =>
  new ConvNetwork(
    resNet({
      type: 'resnet',
      imageSize: [32, 48],
      block: 'basic',
      depths: [1, 1],
      channels: [4, 6],
      innerChannels: [4, 6],
      stem: [3],
      strides: [1, 2],
    }),
    new Random(2),
  );
const pictures = [tinyPicture(1), tinyPicture(2)];

/** Built anew from its configuration, with the same weights, it computes the same, and nothing is left of either. */
function expectStored(make: () => Encoder): Promise<void> {
  return expectNoLeak(async () => {
    const encoder = make();
    const again = createEncoder(JSON.parse(JSON.stringify(encoder.config)));
    const own = parametersOf(encoder.params);
    expect([...parametersOf(again.params).keys()]).toEqual([...own.keys()]);
    for (const [name, variable] of parametersOf(again.params)) variable.assign(own.get(name)!);
    const features = await Promise.all([encoder, again].map((each) => encodeImages(each, pictures)));
    expect(features[0]!.shape).toEqual([
      2,
      (encoder.leading ?? 0) + encoder.grid[0] * encoder.grid[1],
      encoder.featureSize,
    ]);
    expect([again.grid, again.leading, again.featureSize]).toEqual([
      encoder.grid,
      encoder.leading,
      encoder.featureSize,
    ]);
    expectClose(features[0]!, features[1]!, 0);
    tf.dispose(features);
    encoder.dispose();
    again.dispose();
  });
}

describe('encoders side by side', () => {
  const parts = (): [ConvEncoder, ConvEncoder] => [conv([4, 5]), conv([3], 2)];

  test("join: 'features' lays the coarser map over the finer one", () =>
    expectNoLeak(async () => {
      const both = new SideBySide(parts());
      expect([both.grid, both.leading, both.featureSize]).toEqual([[4, 4], 0, 8]);
      const features = await encodeImages(both, pictures);
      const [coarse, fine] = await Promise.all(both.encoders.map((each) => encodeImages(each, pictures)));
      tf.tidy(() => {
        const [left, right] = tf.split(features, [5, 3], 2);
        expectClose(right!, fine!, 1e-6); // pixels are normalised in one more step
        // Every position of 2 x 2 stands for 2 x 2 of 4 x 4.
        const map = tf.reshape<tf.Rank.R4>(coarse!, [2, 2, 2, 5]);
        expectClose(left!, tf.image.resizeNearestNeighbor(map, [4, 4]), 1e-5);
      });
      tf.dispose([features, coarse!, fine!]);
      both.dispose();
    }));

  test("join: 'positions' keeps all positions, the finest last, each with numbers of its own", () =>
    expectNoLeak(async () => {
      const both = new SideBySide([...parts()].reverse(), 'positions');
      expect([both.grid, both.leading, both.featureSize]).toEqual([[4, 4], 4, 8]);
      const features = await encodeImages(both, pictures);
      const [fine, coarse] = await Promise.all(both.encoders.map((each) => encodeImages(each, pictures)));
      tf.tidy(() => {
        const [first, last] = tf.split(features, [4, 16], 1);
        expectClose(first!, tf.concat([tf.zeros([2, 4, 3]), coarse!], 2), 1e-6);
        expectClose(last!, tf.concat([fine!, tf.zeros([2, 16, 5])], 2), 1e-6);
      });
      tf.dispose([features, fine!, coarse!]);
      both.dispose();
    }));

  test.each(['features', 'positions'] as const)('%s: are stored and built again', (join) =>
    expectStored(() => new SideBySide(parts(), join)),
  );

  test('learn, both of them', () =>
    expectNoLeak(() => {
      const both = new SideBySide(parts());
      const { loss, grads } = gradients(
        () => tf.sum<tf.Scalar>(tf.square(both.encode(tf.ones([1, 8, 8, 3])))),
        parametersOf(both.params),
      );
      expect([...grads.keys()].sort()).toEqual([...parametersOf(both.params).keys()].sort());
      tf.dispose([loss, ...grads.values()]);
      both.dispose();
    }));

  test('refuse what does not go together, and leave nothing behind', () =>
    expectNoLeak(() => {
      const [small, large] = [
        conv([4]),
        new ConvEncoder({ type: 'conv', imageSize: 16, channels: [4] }, new Random(1)),
      ];
      expect(() => new SideBySide([small, large])).toThrow(UsageError);
      expect(() => new SideBySide([small, large])).toThrow(/encoder 2 as .*16/);
      expect(() => new SideBySide([small])).toThrow(/two maps/);
      const config = { type: 'side-by-side', join: 'features', encoders: [small.config, large.config] };
      expect(() => createEncoder(config)).toThrow(UsageError);
      small.dispose();
      large.dispose();
    }));
});

describe('stages of one network', () => {
  test('are grids of several resolutions', () =>
    expectNoLeak(() => {
      const net = network();
      const encoder = new Stages(net, [2, 1], 'positions');
      expect([encoder.grid, encoder.leading, encoder.featureSize]).toEqual([[8, 12], 24, 10]);
      tf.tidy(() => {
        const pixels = tf.randomUniform<tf.Rank.R4>([1, 32, 48, 3], -1, 1, 'float32', 5);
        const maps = net.stages(pixels);
        const [coarse, fine] = tf.split(encoder.encode(pixels), [24, 96], 1);
        expectClose(tf.slice(coarse!, [0, 0, 0], [1, 24, 6]), maps[2]!, 0);
        expectClose(tf.slice(fine!, [0, 0, 6], [1, 96, 4]), maps[1]!, 0);
      });
      encoder.dispose();
    }));

  test('are stored and built again', () => expectStored(() => new Stages(network(), [2, 0])));

  test('refuse a stage that was not loaded, and a network without stages', () =>
    expectNoLeak(() => {
      const net = network();
      expect(() => new Stages(net, [1, 3])).toThrow(/stage 3 is none/);
      const config = {
        type: 'stages',
        join: 'features',
        stages: [0, 1],
        network: { type: 'conv', imageSize: 8, channels: [4] },
      };
      expect(() => createEncoder(config)).toThrow(DataError);
      net.dispose();
    }));
});

describe('places of the grid', () => {
  test('sinusoidal ones agree with PyTorch', () => {
    const { grid, size, values } = mechanismGolden.places;
    const places = sinusoidalPlaces(grid, size);
    expect(places.shape).toEqual(values.shape);
    expectClose(places, values.values, 1e-6);
    places.dispose();
  });

  test.each(['sinusoidal', 'coordinates'] as const)('%s: are stored and built again', (places) =>
    expectStored(() => new Positioned(conv([3, 4]), places)),
  );

  test('coordinates go from -1 to 1; positions beside the grid have none', () =>
    expectNoLeak(() => {
      tf.tidy(() => {
        const encoder = new Positioned(new SideBySide([conv([4, 5]), conv([3], 2)], 'positions'), 'coordinates');
        expect([encoder.grid, encoder.leading, encoder.featureSize]).toEqual([[4, 4], 4, 10]);
        const places = tf
          .slice(encoder.encode(tf.zeros([1, 8, 8, 3])), [0, 0, 8], [1, 20, 2])
          .arraySync() as number[][][];
        expect(places[0]!.slice(0, 4)).toEqual([
          [0, 0],
          [0, 0],
          [0, 0],
          [0, 0],
        ]);
        expect(places[0]![4]).toEqual([-1, -1]);
        expect(places[0]![7]).toEqual([-1, 1]);
        expect(places[0]![19]).toEqual([1, 1]);
        encoder.dispose();
      });
    }));

  test('sinusoidal ones are added to the features, and need a multiple of four', () =>
    expectNoLeak(() => {
      const plain = conv([3, 4]);
      const encoder = new Positioned(plain);
      tf.tidy(() => {
        const pixels = tf.ones<tf.Rank.R4>([2, 8, 8, 3]);
        const difference = tf.sub(encoder.encode(pixels), plain.encode(pixels));
        expectClose(tf.slice(difference, [1, 0, 0], [1, 4, 4]), sinusoidalPlaces([2, 2], 4), 1e-6);
      });
      encoder.dispose();
      const odd = conv([3, 6]);
      expect(() => new Positioned(odd)).toThrow(/multiple of 4/);
      odd.dispose();
    }));
});
