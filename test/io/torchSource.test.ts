import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { readPickle } from '../../src/io/pickle';
import { memoryStore } from '../../src/io/stores';
import { torchRules } from '../../src/io/torchTensors';
import { openWeights } from '../../src/io/weights';
import { directory } from '../../src/node/directory';
import golden from '../goldens/torch/expected.json';

const files = directory(join(import.meta.dirname, '../goldens/torch'));

/** What opening and reading all of these bytes, as a file, throws. */
async function refusal(bytes: Uint8Array): Promise<unknown> {
  const store = memoryStore();
  await store.write('model.bin', bytes);
  return openAll(store, 'model.bin').catch((error: unknown) => error);
}

async function openAll(store: typeof files, file: string) {
  const source = await openWeights(store, { file });
  const values = new Map<string, number[]>();
  for (const name of source.tensors.keys()) values.set(name, [...(await source.read(name))]);
  return { source, values };
}

describe('files of torch.save', () => {
  test.each([
    ['today', golden.tensors],
    ['protocol4', golden.tensors],
    ['before_1_6', golden.tensors],
    ['module', golden.module],
    ['nested', golden.nested],
  ] as [string, Record<string, { shape: number[]; values: number[] }>][])('%s', async (name, expected) => {
    const { source, values } = await openAll(files, `${name}.bin`);
    expect([...source.tensors.keys()]).toEqual(Object.keys(expected));
    for (const [tensor, { shape, values: numbers }] of Object.entries(expected)) {
      expect(source.tensors.get(tensor)!.shape, tensor).toEqual(shape);
      expect(values.get(tensor), tensor).toEqual(numbers.map(Math.fround));
    }
  });

  test('keep their types', async () => {
    const { tensors } = await openWeights(files, { file: 'today.bin' });
    expect(
      ['half', 'brain', 'double', 'long', 'int', 'short', 'char', 'byte', 'bool'].map(
        (name) => tensors.get(name)!.dtype,
      ),
    ).toEqual(['F16', 'BF16', 'F64', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL']);
  });

  test('the numbers of one tensor are all that reading it reads', async () => {
    const asked: number[] = [];
    const counting = {
      ...files,
      read: async (name: string, range?: { start: number; end: number }) => {
        const bytes = await files.read(name, range);
        asked.push(bytes.length);
        return bytes;
      },
    };
    const source = await openWeights(counting, { file: 'today.bin' });
    asked.length = 0;
    await source.read('part'); // rows 1 and 2 of six numbers, columns 2 to 4
    expect(asked).toEqual([30, 9 * 4]);
  });
});

describe('what is more than tensors is refused by name', () => {
  test.each([
    ['command', /command.bin in .*: It asks for '(posix|nt)\.system', which is no part of a tensor/],
    ['command_before_1_6', /asks for '(posix|nt)\.system'/],
    ['whole_module', /asks for 'torch\.nn\.modules\.container\.Sequential'/],
    ['complex', /asks for 'torch\.ComplexFloatStorage'/],
    ['expanded', /\[1000,1000,1000\] with strides \[0,0,0\] does not fit its storage of 1/],
    ['no_tensors', /no tensors in it/],
    ['script', /TorchScript program/],
    ['plain_pickle', /a pickle, but not one of torch\.save/],
  ])('%s', async (name, message) => {
    const error = await openAll(files, `${name}.bin`).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(message);
  });

  test.each<[string, number[], RegExp]>([
    ['a name that is not known', bytesOf('cos\nsystem\n.'), /asks for 'os\.system'/],
    ['a name from the stack', bytesOf('\x8c\x08builtins\x8c\x04eval\x93.'), /asks for 'builtins\.eval'/],
    ['an instance of a class', bytesOf('(ios\nsystem\n.'), /instruction 0x69/],
    ['an object', bytesOf('(cos\nsystem\no.'), /os\.system/],
    ['a new object', bytesOf('ccollections\nOrderedDict\n)\x81.'), /instruction 0x81/],
    ['an extension', bytesOf('\x82\x01.'), /instruction 0x82/],
    ['a call of a storage', bytesOf('ctorch\nFloatStorage\n)R.'), /asks for 'torch\.FloatStorage'/],
    ['a call of a value', bytesOf('K\x01)R.'), /calls what is no name/],
    ['attributes of a tuple', bytesOf(')}b.'), /sets an item of what is no dictionary/],
    ['a list in a tuple that is changed', bytesOf(')K\x01a.'), /appends to what is no list/],
    ['nothing on the stack', bytesOf('.'), /nothing to work on/],
    ['no mark', bytesOf('t.'), /mark is missing/],
    ['a value before it is there', bytesOf('h\x05.'), /recalls value 5/],
    ['text of four gigabytes', bytesOf('X\xff\xff\xff\xff.'), /ends too early/],
    ['no end', bytesOf('}'), /ends too early/],
  ])('%s', (_, bytes, message) => {
    expect(() => readPickle(Uint8Array.from(bytes), 0, torchRules)).toThrow(message);
    expect(() => readPickle(Uint8Array.from(bytes), 0, torchRules)).toThrow(DataError);
  });
});

test.each([
  ['within its storage', [1, 3, 1], undefined],
  ['beyond the end of its storage', [2, 3, 1], /\[3\] with strides \[1\] does not fit its storage of 4/],
  ['stepping out of its storage', [0, 3, 2], /\[3\] with strides \[2\] does not fit/],
  ['larger than its storage', [0, 5, 0], /\[5\] with strides \[0\] does not fit/],
] as [string, [number, number, number], RegExp | undefined][])('a tensor %s', (_, [offset, size, stride], message) => {
  const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
  const number = (value: number) => `K${String.fromCharCode(value)}`;
  const storage = `(${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}${number(4)}tQ`;
  const args = `(${storage}${number(offset)}${number(size)}\x85${number(stride)}\x85t`;
  const pickle = Uint8Array.from(bytesOf(`ctorch._utils\n_rebuild_tensor_v2\n${args}R.`));
  if (message) expect(() => readPickle(pickle, 0, torchRules)).toThrow(message);
  else expect(readPickle(pickle, 0, torchRules).value).toMatchObject({ offset, shape: [size], strides: [stride] });
});

function bytesOf(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0));
}

describe('damaged files are refused', () => {
  test.each(['today', 'before_1_6'])('every cut of %s', async (name) => {
    const bytes = await files.read(`${name}.bin`);
    for (let length = 0; length < bytes.length; length += 11)
      expect(await refusal(bytes.subarray(0, length)), `${length} bytes`).toBeInstanceOf(DataError);
  });

  test.each(['today', 'before_1_6', 'nested'])(
    'any one damaged byte of %s gives tensors or a DataError',
    async (name) => {
      const bytes = await files.read(`${name}.bin`);
      for (let at = 0; at < bytes.length; at += 3) {
        const damaged = bytes.slice();
        damaged[at]! ^= 1 << (at % 8);
        const result = await refusal(damaged);
        if (result instanceof Error) expect(result, `byte ${at}: ${result.stack}`).toBeInstanceOf(DataError);
      }
    },
  );

  test.each([
    ['neither', bytesOf('hello'), /begins neither as an archive nor as a pickle/],
    ['a pointer of Git LFS', bytesOf('version https://git-lfs.github.com/spec/v1\n'), /pointer of Git LFS/],
    ['nothing', [], /begins neither/],
    ['the mark of an archive alone', bytesOf('PK\x03\x04'), /no directory at its end.*cut short/],
  ])('%s', async (_, bytes, message) => {
    expect(await refusal(Uint8Array.from(bytes))).toBeInstanceOf(DataError);
    expect(((await refusal(Uint8Array.from(bytes))) as Error).message).toMatch(message);
  });

  test('an archive with a compressed file, which could claim any size', async () => {
    const bytes = await files.read('today.bin');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + 4 < bytes.length; at++)
      if (view.getUint32(at, true) === 0x02014b50) {
        view.setUint16(at + 10, 8, true);
        break;
      }
    expect(((await refusal(bytes)) as Error).message).toMatch(/is compressed, which no checkpoint is/);
  });

  test('an archive whose files overlap', async () => {
    const bytes = await files.read('today.bin');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let entries = 0;
    for (let at = 0; at + 4 < bytes.length; at++)
      if (view.getUint32(at, true) === 0x02014b50 && ++entries === 5) view.setUint32(at + 42, 64, true);
    expect(((await refusal(bytes)) as Error).message).toMatch(/overlaps|beyond/);
  });
});
