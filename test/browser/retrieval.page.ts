import * as tf from '@tensorflow/tfjs';
import { Random } from '../../src/core/random';
import { toPixels } from '../../src/data/pixels';
import type { Image } from '../../src/data/types';
import { indexedDBStore, opfsStore } from '../../src/io/stores';
import { ImageTextIndex } from '../../src/retrieval/imageTextIndex';
import type { ImageTextEmbedder } from '../../src/retrieval/types';

/** Random vectors, kept in a store of the browser, read back and asked; with and without SIMD by what the page has. */
export async function searchKept(
  where: 'indexedDB' | 'opfs',
  count: number,
  size: number,
  seed: number,
  queries: number,
) {
  const values = new Random(seed).normal((count + queries) * size);
  const row = (i: number) => values.subarray(i * size, (i + 1) * size);
  const index = await ImageTextIndex.build(
    Array.from({ length: count }, (_, i) => ({ id: `${i}`, vector: row(i) })),
    { batchSize: 1000 },
  );
  const store = where === 'opfs' ? opfsStore('index') : indexedDBStore('index');
  await index.save(store);
  const restored = await ImageTextIndex.load(store);
  const found: string[][] = [];
  for (let i = 0; i < queries; i++) found.push((await restored.search({ vector: row(count + i) })).map(({ id }) => id));
  return found;
}

/** The mean colour of a picture, and the colours that texts name. */
const colours: ImageTextEmbedder = {
  async embedImages(images: readonly Image[]) {
    const rows = await Promise.all(
      images.map(async (image) => {
        const { data } = await toPixels(image);
        const values = Array.from(data);
        return [0, 1, 2].map((channel) =>
          values.filter((_, i) => i % 3 === channel).reduce((sum, value) => sum + value, 1),
        );
      }),
    );
    return unit(rows);
  },
  embedTexts: async (texts) =>
    unit(texts.map((text) => ['red', 'green', 'blue'].map((name) => (text.includes(name) ? 1 : 0)))),
};

function unit(rows: number[][]): tf.Tensor2D {
  return tf.tensor2d(rows.map((row) => row.map((value) => value / Math.hypot(...row))));
}

/** Canvases found by words, and by another canvas. */
export async function searchCanvases() {
  await tf.setBackend('cpu');
  const drawn = (colour: string) => {
    const canvas = new OffscreenCanvas(8, 8);
    const context = canvas.getContext('2d')!;
    context.fillStyle = colour;
    context.fillRect(0, 0, 8, 8);
    return canvas;
  };
  const index = await ImageTextIndex.build(
    ['crimson', 'forestgreen', 'navy'].map((colour) => ({ id: colour, image: drawn(colour), metadata: { colour } })),
    { embedder: colours },
  );
  const byWords = await index.search({ text: 'a blue thing' }, { top: 1 });
  const byPicture = await index.search({ image: drawn('lime') }, { top: 1 });
  return { byWords: byWords[0], byPicture: byPicture[0]!.id };
}
