import { DataError } from '../core/errors';
import { float16ToFloat32, float32ToFloat16 } from '../io/float16';
import { typed } from '../io/safetensors';

/** `f16` keeps 11 bits of every value; `int8` takes half of that space. */
export type FeatureType = 'f16' | 'int8';

/** Numbers per position that `int8` needs beside the values: the least value, and the step from one code to the next. */
const RANGE = 2;

/** How features lie in a file. `values` has a code per value, `ranges` what turns codes into numbers. */
export type CodedFeatures = { values: Uint8Array; ranges?: Uint8Array };

export type FeatureCodec = {
  /** Bytes of a value, and of all ranges of a picture. */
  valueBytes: number;
  rangeBytes: number;
  encode(features: Float32Array): CodedFeatures;
  decode(coded: CodedFeatures): Float32Array;
};

/**
 * How features of `positions` times `featureSize` values become bytes.
 *
 * `f16`: IEEE binary16, relative error at most 2^-11 of each value (2^-25 near zero). `int8`: the values of each position
 * on a scale of 256 steps from its least to its largest, so that the error is at most 1/510 of what lies between these; a position
 * whose least value is 0, as after a ReLU, keeps its zeros exactly.
 */
export function featureCodec(dtype: FeatureType, positions: number, featureSize: number): FeatureCodec {
  if (dtype === 'f16')
    return {
      valueBytes: 2,
      rangeBytes: 0,
      encode(features) {
        const bits = float32ToFloat16(features);
        if (bits.some((half) => (half & 0x7c00) === 0x7c00))
          throw new DataError(
            'Features hold a value that float16 cannot keep (65520 or more, or not a number). Keep them as int8, or look at the encoder.',
          );
        return { values: new Uint8Array(bits.buffer) };
      },
      decode: ({ values }) => float16ToFloat32(typed(Uint16Array, values)),
    };
  return {
    valueBytes: 1,
    rangeBytes: positions * RANGE * 4,
    encode(features) {
      const values = new Uint8Array(features.length);
      const ranges = new Float32Array(positions * RANGE);
      for (let position = 0; position < positions; position++) {
        const own = features.subarray(position * featureSize, (position + 1) * featureSize);
        let [least, most] = [Infinity, -Infinity];
        for (const value of own) {
          least = Math.min(least, value); // stays NaN once it is
          most = Math.max(most, value);
        }
        if (!Number.isFinite(least) || !Number.isFinite(most - least))
          throw new DataError('Features hold a value that is not a finite number. Look at the encoder.');
        ranges[position * RANGE] = least;
        ranges[position * RANGE + 1] = (most - least) / 255;
        const step = ranges[position * RANGE + 1]!;
        if (step > 0)
          for (let i = 0; i < featureSize; i++)
            values[position * featureSize + i] = Math.min(255, Math.round((own[i]! - least) / step));
      }
      return { values, ranges: new Uint8Array(ranges.buffer) };
    },
    decode({ values, ranges }) {
      const scale = typed(Float32Array, ranges!);
      const features = new Float32Array(values.length);
      for (let position = 0; position < positions; position++) {
        const [least, step] = [scale[position * RANGE]!, scale[position * RANGE + 1]!];
        for (let i = position * featureSize; i < (position + 1) * featureSize; i++)
          features[i] = least + step * values[i]!;
      }
      return features;
    },
  };
}
