import {
  AttentionLSTMCaptioner,
  adamW,
  type BackendName,
  ConvEncoder,
  datasetOf,
  httpStore,
  indexedDBStore,
  opfsStore,
  type PixelImage,
  Random,
  selectBackend,
  train,
  WordTokenizer,
} from '../../src/index';

/** Captions the picture at an address with the captioner at another, as a page would. */
export async function captionPicture(model: string, picture: string) {
  await selectBackend({ prefer: 'wasm', wasmPaths: '/wasm/' });
  const captioner = await AttentionLSTMCaptioner.load(httpStore(new URL(model, location.href)));
  const image = new Image();
  image.src = picture;
  await image.decode();
  const blob = await (await fetch(picture)).blob();
  const ofElement = await captioner.caption(image, { attention: true });
  const ofBlob = await captioner.caption(blob);
  captioner.dispose();
  return { ofElement, ofBlob };
}

const square = (red: number, blue: number): PixelImage => ({
  data: new Uint8Array(16 * 16 * 3).map((_, i) => (i % 3 === 0 ? red : i % 3 === 2 ? blue : 0)),
  width: 16,
  height: 16,
  channels: 3,
});

/** Why a backend does not start here; nothing where it does. */
export async function whyNot(backend: BackendName): Promise<string | undefined> {
  return selectBackend({ prefer: backend, wasmPaths: '/wasm/' }).then(
    () => undefined,
    (error: Error) => error.message,
  );
}

/** Trains a tiny captioner to tell red from blue, keeps it in a store of the browser, and captions with what it reads back. */
export async function trainAndKeep(where: 'indexedDB' | 'opfs', backend: BackendName) {
  await selectBackend({ prefer: backend, wasmPaths: '/wasm/' });
  const records = Array.from({ length: 12 }, (_, i) => ({
    id: `${i}`,
    split: 'train' as const,
    captions: [i % 2 === 0 ? 'a red square' : 'a blue square'],
  }));
  const data = datasetOf(records, async ({ id }) =>
    Number(id) % 2 === 0 ? square(200 + Number(id), 0) : square(0, 200 + Number(id)),
  );
  const tokenizer = await WordTokenizer.fromCaptions(data.captions(), { minCount: 1 });
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 16, channels: [8, 8] }, new Random(1));
  const sizes = { hiddenSize: 16, attentionSize: 8, embeddingSize: 8, dropout: 0 };
  const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes, seed: 1 });
  const losses: number[] = [];
  const options = {
    optimizer: adamW(0.02),
    epochs: 30,
    batchSize: 6,
    captionsPerImage: 1,
    fineTune: { fromEpoch: 1, learningRate: 0.01 },
  };
  for await (const { crossEntropy } of train(captioner, data, options)) losses.push(crossEntropy);
  const store = where === 'opfs' ? opfsStore('captioner') : indexedDBStore('captioner');
  await captioner.save(store);
  captioner.dispose();
  encoder.dispose();
  const restored = await AttentionLSTMCaptioner.load(store);
  const captions = await restored.caption([square(220, 0), square(0, 220)]);
  restored.dispose();
  return { losses, texts: captions.map(({ text }) => text) };
}
