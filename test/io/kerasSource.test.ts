import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { DataError } from '../../src/core/errors';
import { memoryStore } from '../../src/io/stores';
import { openWeights } from '../../src/io/weights';
import { directory } from '../../src/node/directory';

const files = directory(join(import.meta.dirname, '../goldens/models/keras_h5'));
const odd = directory(join(import.meta.dirname, '../goldens/hdf5'));
const names = ['legacy_model.h5', 'keras3.weights.h5'];

async function opened(bytes: Uint8Array, file = 'model.h5') {
  const store = memoryStore();
  await store.write(file, bytes);
  const source = await openWeights(store, { file });
  for (const name of source.tensors.keys()) await source.read(name);
  return source;
}

/** An archive that holds one file as it is. */
function archive(name: string, content: Uint8Array): Uint8Array {
  const label = new TextEncoder().encode(name);
  const bytes = new Uint8Array(30 + label.length + content.length + 46 + label.length + 22);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x04034b50, true);
  view.setUint16(26, label.length, true);
  bytes.set(label, 30);
  bytes.set(content, 30 + label.length);
  const entry = 30 + label.length + content.length;
  view.setUint32(entry, 0x02014b50, true);
  view.setUint32(entry + 20, content.length, true);
  view.setUint32(entry + 24, content.length, true);
  view.setUint16(entry + 28, label.length, true);
  bytes.set(label, entry + 46);
  const end = entry + 46 + label.length;
  view.setUint32(end, 0x06054b50, true);
  view.setUint16(end + 10, 1, true);
  view.setUint32(end + 12, end - entry, true);
  view.setUint32(end + 16, entry, true);
  return bytes;
}

/** An HDF5 file of layers whose kernels are filled with the layer's number. */
async function largeFile(layers: number, size: number): Promise<Uint8Array> {
  const library = await import('h5wasm');
  const { FS } = await library.ready;
  const file = new library.File('large.h5', 'w');
  for (let layer = 0; layer < layers; layer++)
    file
      .create_group(`layer_${layer}`)
      .create_dataset({ name: 'kernel', data: new Float32Array(size).fill(layer), shape: [size] });
  file.close();
  return FS.readFile('large.h5') as Uint8Array;
}

describe('weights of Keras', () => {
  test('in a .keras archive are those of the file inside', async () => {
    const weights = await files.read('keras3.weights.h5');
    const [inside, plain] = [await opened(archive('model.weights.h5', weights), 'model.keras'), await opened(weights)];
    expect([...inside.tensors]).toEqual([...plain.tensors]);
    expect(await inside.read('emb/embeddings')).toEqual(await plain.read('emb/embeddings'));
    await expect(opened(archive('other.h5', weights), 'model.keras')).rejects.toThrow(
      /archive without model.weights.h5/,
    );
  });

  test.each(names)('of %s are read without a word on the console', async (name) => {
    const [error, log] = [vi.spyOn(console, 'error'), vi.spyOn(console, 'log')];
    await opened(await files.read(name));
    expect([error.mock.calls, log.mock.calls]).toEqual([[], []]);
    vi.restoreAllMocks();
  });

  test('of every type are numbers', async () => {
    const source = await openWeights(odd, { file: 'types.h5' });
    const types = [...source.tensors].map(([name, { dtype, shape }]) => `${name} ${dtype} ${shape}`);
    expect(types.sort()).toEqual(
      ['empty F32 0,3', 'float16 F16 2,3', 'float64 F64 2,3', 'int16 I16 2,3', 'int32 I32 2,3', 'int64 I64 2,3'].concat(
        ['int8 I8 2,3', 'scalar F32 ', 'uint8 U8 2,3'],
      ),
    );
    for (const name of source.tensors.keys())
      if (/int|float/.test(name)) expect([...(await source.read(name))], name).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await source.read('scalar')).toEqual(Float32Array.of(2.5));
    expect(await source.read('empty')).toEqual(new Float32Array(0));
  });

  test('are read alone, without the rest of the file', async () => {
    const bytes = await largeFile(40, 50_000);
    const store = memoryStore();
    await store.write('large.h5', bytes);
    let asked = 0;
    const read: typeof store.read = async (name, range) => {
      const part = await store.read(name, range);
      asked += part.length;
      return part;
    };
    const source = await openWeights({ ...store, read }, { file: 'large.h5' });
    expect(source.tensors.size).toBe(40);
    asked = 0;
    const values = await source.read('layer_33/kernel');
    expect(values).toEqual(new Float32Array(50_000).fill(33));
    expect(asked).toBeLessThan(bytes.length / 8);
    for (let layer = 0; layer < 40; layer++) expect((await source.read(`layer_${layer}/kernel`))[49_999]).toBe(layer);
  });

  test('two files are read side by side', async () => {
    const sources = await Promise.all(names.map((file) => openWeights(files, { file })));
    const values = await Promise.all(
      sources.flatMap((source) => [...source.tensors.keys()].sort().map((key) => source.read(key))),
    );
    expect(values.slice(0, values.length / 2)).toEqual(values.slice(values.length / 2));
  });
});

describe('what is no whole HDF5 file is refused', () => {
  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['text', new TextEncoder().encode('hello, this is no HDF5 file')],
    ['its mark alone', Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a)],
    ['its mark and zeros', Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, ...new Uint8Array(5000))],
  ])('%s', async (_, bytes) => {
    await expect(opened(bytes)).rejects.toThrow(DataError);
    await expect(opened(bytes)).rejects.toThrow(/model\.h5 in memory: It is (no|a damaged) HDF5 file/);
  });

  test.each([
    ['claims', /'\/layer\/kernel' claims 4000000000000 bytes, more than the file has/],
    ['compressed', /'\/layer\/kernel' is compressed/],
    ['big_endian', /no array of numbers of a known type/],
    ['text', /no array of numbers of a known type/],
    ['loop', /hold each other without end/],
    ['outside', /'kernel' in '\/layer' is neither a group nor an array/],
    ['nowhere', /'kernel' in '\/layer' is neither a group nor an array/],
  ])('what is no weight: %s', async (name, message) => {
    const opening = openWeights(odd, { file: `${name}.h5` });
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow(message);
  });

  test.each(names)('cuts of %s', async (name) => {
    const bytes = await files.read(name);
    for (let length = 512; length < bytes.length; length += 3001)
      await expect(opened(bytes.slice(0, length)), `${length} bytes`).rejects.toThrow(DataError);
  });

  test.each(names)('damaged bytes of %s give numbers or a DataError', async (name) => {
    const bytes = await files.read(name);
    for (let at = 9; at < bytes.length; at += 499) {
      const damaged = bytes.slice();
      damaged[at]! ^= 1 << (at % 8);
      const result = await opened(damaged).catch((error: unknown) => error);
      if (result instanceof Error) expect(result, `byte ${at}: ${result.stack}`).toBeInstanceOf(DataError);
    }
  });
});
