// Memory and time of a store of features that is read by ranges: npx tsx bench/features.bench.ts [--gigabytes 20] [--reads 20000]
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '../src/core/random';
import { directory } from '../src/node/directory';
import { openFeatureStore } from '../src/training/featureStore';
import type { EncoderIdentity } from '../src/training/features';

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '20' },
    reads: { type: 'string', default: '20000' },
    folder: { type: 'string', default: tmpdir() },
  },
});

/** As MobileNetV2 gives them for 224 x 224 pixels. */
const [positions, featureSize] = [49, 1280];
const identity: EncoderIdentity = {
  ...{ encoder: { type: 'bench' }, weights: '0'.repeat(32), fingerprint: '0'.repeat(32), positions, featureSize },
  preprocessing: { size: [224, 224], resize: 'squash', filter: 'bilinear', mean: 0, scale: 1 },
};
const pictureBytes = positions * featureSize * 2;
const shardRows = 256;
const keyOf = (picture: number) => picture.toString(16).padStart(32, '0');

/** A store of zeros: as large as a real one to read, but its files are holes that take no room on the disk. */
async function writeSparse(folder: string, pictures: number): Promise<void> {
  await openFeatureStore(directory(folder), identity); // writes features.json
  await mkdir(join(folder, 'shards'), { recursive: true });
  const zeros = Buffer.alloc(pictureBytes);
  for (let first = 0; first < pictures; first += shardRows) {
    const rows = Math.min(shardRows, pictures - first);
    const keys = Buffer.concat(Array.from({ length: rows }, (_, row) => Buffer.from(keyOf(first + row), 'hex')));
    const checksums = Buffer.concat(
      Array.from({ length: rows }, (_, row) =>
        createHash('sha256')
          .update(keys.subarray(16 * row, 16 * row + 16))
          .update(zeros)
          .digest()
          .subarray(0, 8),
      ),
    );
    const end = rows * pictureBytes;
    const header = Buffer.from(
      JSON.stringify({
        features: { dtype: 'F16', shape: [rows, positions, featureSize], data_offsets: [0, end] },
        checksums: { dtype: 'U8', shape: [rows, 8], data_offsets: [end, end + 8 * rows] },
        keys: { dtype: 'U8', shape: [rows, 16], data_offsets: [end + 8 * rows, end + 24 * rows] },
      }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const file = await open(join(folder, 'shards', `${first}.safetensors`), 'w');
    await file.write(Buffer.concat([length, header]), 0, undefined, 0);
    await file.write(Buffer.concat([checksums, keys]), 0, undefined, 8 + header.length + end);
    await file.close();
  }
}

const megabytes = () => {
  globalThis.gc?.();
  return Math.round(process.memoryUsage.rss() / 2 ** 20);
};

const pictures = Math.ceil((Number(values.gigabytes) * 1e9) / pictureBytes);
const reads = Number(values.reads);
const folder = await mkdtemp(join(values.folder, 'features-bench-'));
try {
  const timed = async <T>(body: () => Promise<T>): Promise<[T, number]> => {
    const started = performance.now();
    return [await body(), (performance.now() - started) / 1000];
  };
  const [, writing] = await timed(() => writeSparse(folder, pictures));
  console.log(
    `${pictures} pictures of ${positions} x ${featureSize} f16, ${((pictures * pictureBytes) / 1e9).toFixed(1)} GB, sparse files written in ${writing.toFixed(1)} s`,
  );
  const before = megabytes();
  const [store, opening] = await timed(() => openFeatureStore(directory(folder), identity));
  console.log(`opened in ${opening.toFixed(2)} s: ${store.size} pictures, memory ${before} -> ${megabytes()} MB`);
  const order = new Random(7).uniform(reads);
  const batch = 20;
  for (let part = 0; part < 5; part++) {
    const [, seconds] = await timed(async () => {
      for (let first = (part * reads) / 5; first < ((part + 1) * reads) / 5; first += batch)
        await Promise.all(
          Array.from(order.subarray(first, first + batch), async (draw) => {
            const features = await store.get(keyOf(Math.floor(draw * pictures)));
            if (features?.length !== positions * featureSize) throw new Error('a picture was not found');
          }),
        );
    });
    console.log(
      `${reads / 5} pictures in random order, checksums compared: ${((seconds * 1e6) / (reads / 5)).toFixed(0)} us each, memory ${megabytes()} MB`,
    );
  }
} finally {
  await rm(folder, { recursive: true });
}
