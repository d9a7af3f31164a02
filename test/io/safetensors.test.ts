import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { bfloat16ToFloat32, float16ToFloat32, float32ToFloat16 } from '../../src/io/float16';
import {
  float32Values,
  int32Values,
  readSafetensors,
  type SafetensorsType,
  storeFloat32,
  storeInt8,
  storeInt32,
  writeSafetensors,
} from '../../src/io/safetensors';

const folder = join(import.meta.dirname, '../goldens/models/checkpoint_formats');
const goldenBytes = new Uint8Array(readFileSync(join(folder, 'dtypes.safetensors')));
type Golden = { dtype: string; shape: number[]; values: (number | boolean | string)[] };
const golden: Record<string, Golden> = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')).results.dtypes;

const types: Record<string, SafetensorsType> = {
  'torch.float32': 'F32',
  'torch.float64': 'F64',
  'torch.float16': 'F16',
  'torch.bfloat16': 'BF16',
  'torch.int64': 'I64',
  'torch.int32': 'I32',
  'torch.int16': 'I16',
  'torch.int8': 'I8',
  'torch.uint8': 'U8',
  'torch.bool': 'BOOL',
};
const special: Record<string, number> = { inf: Infinity, '-inf': -Infinity, nan: NaN };
const numbers = ({ values }: Golden) => values.map((v) => (typeof v === 'string' ? special[v]! : Number(v)));

describe('the file that PyTorch wrote', () => {
  const { tensors, metadata } = readSafetensors(goldenBytes);

  test('has these tensors and notes', () => {
    expect([...tensors.keys()].sort()).toEqual(Object.keys(golden).sort());
    expect(Object.fromEntries(metadata)).toEqual({ note: 'héllo', format: 'pt' });
  });

  for (const [name, expected] of Object.entries(golden))
    test(`holds ${name} exactly`, () => {
      const tensor = tensors.get(name)!;
      expect(tensor.dtype).toBe(types[expected.dtype]);
      expect(tensor.shape).toEqual(expected.shape);
      const values = numbers(expected);
      expect([...float32Values(tensor)]).toEqual(values.map(Math.fround));
      const fits = values.every((value) => value === (value | 0));
      if (/int|bool/.test(expected.dtype) && fits) expect([...int32Values(tensor)]).toEqual(values);
      else expect(() => int32Values(tensor)).toThrow(DataError);
    });

  test('is written byte for byte as it was', () => {
    expect(writeSafetensors([...tensors].reverse(), metadata)).toEqual(goldenBytes);
  });

  test('reads the same from bytes that are not aligned', () => {
    const shifted = new Uint8Array(goldenBytes.length + 3);
    shifted.set(goldenBytes, 3);
    for (const [name, tensor] of readSafetensors(shifted.subarray(3)).tensors)
      expect(float32Values(tensor)).toEqual(float32Values(tensors.get(name)!));
  });

  test('is rounded to half precision as PyTorch rounds', () => {
    for (const [from, to] of [
      ['f32', 'f16'],
      ['f32_special', 'f16_special'],
    ] as const) {
      const rounded = storeFloat32(float32Values(tensors.get(from)!), tensors.get(from)!.shape, 'F16');
      expect(rounded).toEqual(tensors.get(to));
    }
  });
});

describe('half precision', () => {
  const every = Uint16Array.from({ length: 0x10000 }, (_, half) => half);

  test('known numbers', () => {
    const known = [0x0000, 0x0001, 0x03ff, 0x0400, 0x3555, 0x3c00, 0x7bff, 0x7c00, 0x8001, 0xfbff, 0xfc00];
    expect([...float16ToFloat32(Uint16Array.from(known))]).toEqual([
      0,
      2 ** -24,
      1023 * 2 ** -24,
      2 ** -14,
      0.333251953125,
      1,
      65504,
      Infinity,
      -(2 ** -24),
      -65504,
      -Infinity,
    ]);
  });

  test('every half comes back as itself', () => {
    const back = float32ToFloat16(float16ToFloat32(every));
    for (const half of every) {
      const notANumber = (half & 0x7c00) === 0x7c00 && (half & 0x3ff) !== 0;
      if (notANumber ? (back[half]! & 0x7e00) !== 0x7e00 : back[half] !== half)
        expect.fail(`${half} became ${back[half]}`);
    }
  });

  test('the middle of two neighbours goes to the even one, a hair off the middle to the nearer', () => {
    const finite = float16ToFloat32(every.subarray(0, 0x7c00));
    // Above the largest half, 65504, lies 65536 for the purpose of rounding; what reaches it is infinite.
    const above = (half: number) => finite[half + 1] ?? 65536;
    const middles = finite.map((value, half) => (value + above(half)) / 2);
    const bits = new Uint32Array(middles.buffer);
    const moved = (by: number) => new Float32Array(bits.map((value) => value + by).buffer);
    const [at, below, over] = [float32ToFloat16(middles), float32ToFloat16(moved(-1)), float32ToFloat16(moved(1))];
    for (let half = 0; half < 0x7c00; half++) {
      const got = [at[half], below[half], over[half]];
      const wanted = [half + (half & 1), half, half + 1];
      if (got.join() !== wanted.join()) expect.fail(`from the middle above half ${half}: ${got}, not ${wanted}`);
    }
  });

  test('ten million values convert both ways within two seconds', () => {
    const values = Float32Array.from({ length: 10_000_000 }, (_, i) => Math.sin(i) * 2 ** ((i % 40) - 28));
    const started = performance.now();
    float16ToFloat32(float32ToFloat16(values));
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('bfloat16 is the upper half of a float32', () => {
    const values = bfloat16ToFloat32(Uint16Array.of(0x3f80, 0xc020, 0x0001, 0x7f80));
    expect([...values]).toEqual([1, -2.5, 2 ** -133, Infinity]);
  });
});

const models = process.env.GOLDEN_MODELS ?? join(import.meta.dirname, '../../../shared/goldens/models');
const formats = join(models, 'checkpoint_formats');

describe.skipIf(!existsSync(formats))(`model files under ${formats} (skipped where they are not)`, () => {
  const tensorsOf = (file: string) => readSafetensors(new Uint8Array(readFileSync(join(formats, file)))).tensors;
  const { weight_map: shards }: { weight_map: Record<string, string> } = existsSync(formats)
    ? JSON.parse(readFileSync(join(formats, 'sharded/model.safetensors.index.json'), 'utf8'))
    : { weight_map: {} };

  test('the shards, rounded to half precision, are the model that PyTorch rounded', () => {
    const halves = tensorsOf('f16/model.safetensors');
    expect(halves.size).toBe(Object.keys(shards).length);
    for (const [name, shard] of Object.entries(shards)) {
      const { shape, ...whole } = tensorsOf(join('sharded', shard)).get(name)!;
      expect(storeFloat32(float32Values({ shape, ...whole }), shape, 'F16'), name).toEqual(halves.get(name));
    }
  });

  test('the shards agree with the bfloat16 model to its 8 bits', () => {
    const brains = tensorsOf('bf16/model.safetensors');
    for (const [name, shard] of Object.entries(shards)) {
      const brain = float32Values(brains.get(name)!);
      float32Values(tensorsOf(join('sharded', shard)).get(name)!).forEach((value, i) => {
        if (Math.abs(value - brain[i]!) > Math.abs(value) * 2 ** -8)
          expect.fail(`${name}[${i}]: ${value}, ${brain[i]}`);
      });
    }
  });
});

describe('writing', () => {
  test('comes back, with names of every kind', () => {
    const tensors = [
      ['decoder.lstm.0', storeFloat32(Float32Array.of(1.5, -2, 0.1), [3, 1])],
      ['__proto__', storeInt32(Int32Array.of(-7), [])],
      ['constructor', storeInt8(Int8Array.of(1, -128), [2])],
      ['0', storeFloat32(new Float32Array(0), [0, 4], 'F16')],
      ['a "quoted" {name}: \\', storeFloat32(Float32Array.of(3), [1], 'F16')],
    ] as const;
    const bytes = writeSafetensors(tensors, [['format', 'pt']]);
    const read = readSafetensors(bytes);
    expect(read.tensors.size).toBe(tensors.length);
    for (const [name, tensor] of tensors) expect(read.tensors.get(name)).toEqual(tensor);
    expect([...read.metadata]).toEqual([['format', 'pt']]);
    expect(new DataView(bytes.buffer).getUint32(0, true) % 8).toBe(0);
    expect(({} as Record<string, unknown>).dtype).toBeUndefined();
  });

  test('an empty file is a file', () => {
    expect(readSafetensors(writeSafetensors([]))).toEqual({ tensors: new Map(), metadata: new Map() });
  });

  test('refuses what does not fit', () => {
    const one = storeFloat32(new Float32Array(3), [4]);
    expect(() => writeSafetensors([['x', one]])).toThrow("Tensor 'x', F32 [4], does not take 12 bytes.");
    const two = storeInt32(Int32Array.of(1), [1]);
    expect(() =>
      writeSafetensors([
        ['x', two],
        ['x', two],
      ]),
    ).toThrow(UsageError);
    expect(() => writeSafetensors([['__metadata__', two]])).toThrow(UsageError);
  });
});

/** A file with this header and so many bytes after it. */
function file(header: string | object, size: number, claimed?: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + size);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(claimed ?? text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const entry = (begin: number, end: number, shape: unknown = [(end - begin) / 4], dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('a damaged file is refused with a reason', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /0 bytes, fewer than the 8/],
    ['a header cut short', file({}, 0, 3), /claims 3 bytes but 2 follow/],
    ['a header beyond the limit', file({}, 0, 100_000_001), /more than the 100000000 allowed/],
    ['a header beyond all numbers', file({}, 0).fill(0xff, 0, 8), /more than the 100000000 allowed/],
    ['no JSON', file('{"x":', 0), /not JSON/],
    ['JSON so deep that a parser might overflow', file('['.repeat(1_000_000), 0), /not JSON/],
    ['no UTF-8', file('{}', 0).fill(0xff, 8, 9), /not JSON in UTF-8/],
    ['no object', file('[]', 0), /not a JSON object/],
    ['an entry that is no object', file({ x: 3 }, 0), /entry 'x' is not an object/],
    ['notes that are not text', file({ __metadata__: { a: 1 } }, 0), /metadata 'a' is not text/],
    ['an unknown type', file({ x: entry(0, 4, [1], 'Q4') }, 4), /tensor 'x' has type "Q4"\. Types that/],
    ['a type that every object has', file({ x: entry(0, 4, [1], 'constructor') }, 4), /type "constructor"/],
    ['a negative size', file({ x: entry(0, 4, [-1]) }, 4), /shape \[-1\]/],
    ['a size with a fraction', file({ x: entry(0, 4, [0.5, 2]) }, 4), /shape \[0\.5,2\]/],
    ['a size beyond all memory', file({ x: entry(0, 4, [2 ** 53]) }, 4), /shape/],
    ['sizes whose product is beyond all memory', file({ x: entry(0, 4, [2 ** 52, 2 ** 52]) }, 4), /needs/],
    ['no shape', file({ x: { dtype: 'F32', data_offsets: [0, 4] } }, 4), /shape undefined/],
    ['no offsets', file({ x: { dtype: 'F32', shape: [1] } }, 4), /offsets undefined/],
    ['offsets that run backwards', file({ x: entry(4, 0, [1]) }, 4), /bytes 4 to 0/],
    ['offsets beyond the end', file({ x: entry(0, 8) }, 4), /bytes 0 to 8 of the data, which has 4\. Was the file cut/],
    ['bytes that do not fit the shape', file({ x: entry(0, 8, [3]) }, 8), /needs 12 bytes but has 8/],
    ['a hole', file({ x: entry(0, 4), y: entry(8, 12) }, 12), /'y' begins at byte 8 of the data where 4/],
    ['an overlap', file({ x: entry(0, 8), y: entry(4, 12) }, 12), /'y' begins at byte 4 of the data where 8/],
    ['bytes left over', file({ x: entry(0, 4) }, 8), /take 4 bytes but 8 follow/],
    [
      'a tensor named twice',
      file(`{"x":${JSON.stringify(entry(0, 0))}, "\\u0078" :${JSON.stringify(entry(0, 4))}}`, 4),
      /names "x" twice/,
    ],
    [
      'a field named twice',
      file('{"x":{"dtype":"F32","shape":[9],"shape":[1],"data_offsets":[0,4]}}', 4),
      /"shape" twice/,
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes)).toThrow(DataError);
    expect(() => readSafetensors(bytes)).toThrow(message);
  });

  test('every cut of a real file', () => {
    for (let length = 0; length < goldenBytes.length; length += 7)
      expect(() => readSafetensors(goldenBytes.subarray(0, length))).toThrow(DataError);
  });

  test('any one damaged byte of the header gives tensors or a DataError, nothing else', () => {
    for (let at = 0; at < 1256; at++) {
      const bytes = goldenBytes.slice();
      bytes[at]! ^= 1 << (at % 8);
      try {
        readSafetensors(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
      }
    }
  });
});
