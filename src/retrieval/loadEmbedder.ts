import * as v from 'valibot';
import { DataError } from '../core/errors';
import { loadPreprocessing } from '../data/preprocessing';
import { PretrainedTokenizer } from '../data/pretrainedTokenizer';
import { readJSON } from '../io/checkpoint';
import type { Store } from '../io/types';
import { openWeights } from '../io/weights';
import { BlipMatching } from '../models/blip';
import { readBlipConfig } from '../models/blipConfig';
import { Clip, readClipConfig } from '../models/clip';
import { DualEncoder } from '../models/dualEncoder';
import { readSiglipConfig, Siglip } from '../models/siglip';
import { blipEmbedder, blipScorer, clipEmbedder, expectPooled, siglipEmbedder } from './embedders';
import type { ImageTextEmbedder, ImageTextScorer } from './types';

/** An embedder that owns its model. */
export type LoadedEmbedder = ImageTextEmbedder & { dispose(): void };

/** A scorer that owns its model. */
export type LoadedScorer = ImageTextScorer & { dispose(): void };

const configSchema = v.looseObject({
  architecture: v.optional(v.string()),
  model_type: v.optional(v.string()),
  architectures: v.nullish(v.array(v.string())),
});

type ModelConfig = v.InferOutput<typeof configSchema>;

/** By what `config.json` calls the model. */
const EMBEDDERS: Record<string, (store: Store, config: ModelConfig) => Promise<LoadedEmbedder>> = {
  'dual-encoder': (store) => DualEncoder.load(store),
  async clip(store, config) {
    const [tokenizer, preprocessing] = [await PretrainedTokenizer.load(store), await loadPreprocessing(store)];
    const clip = await Clip.load(readClipConfig(config), await openWeights(store));
    return owned(clip, clipEmbedder(clip, tokenizer, preprocessing));
  },
  async siglip(store, config) {
    const [tokenizer, preprocessing] = [await PretrainedTokenizer.load(store), await loadPreprocessing(store)];
    const read = readSiglipConfig(config);
    expectPooled(read);
    const siglip = await Siglip.load(read, await openWeights(store));
    return owned(siglip, siglipEmbedder(siglip, tokenizer, preprocessing));
  },
  async blip(store, config) {
    const { blip, tokenizer } = await loadBlipMatching(store, config);
    return owned(blip, blipEmbedder(blip, tokenizer));
  },
};

/**
 * An embedder out of a folder or what `openPretrained` gives: a dual encoder trained here, CLIP, SigLIP or BLIP with its
 * matching heads.
 *
 * @throws DataError that says what is missing, damaged, or not supported
 */
export async function loadEmbedder(store: Store): Promise<LoadedEmbedder> {
  const config = await readJSON(store, 'config.json', configSchema);
  const kind = config.architecture ?? config.model_type;
  if (kind !== undefined && Object.hasOwn(EMBEDDERS, kind)) return EMBEDDERS[kind]!(store, config);
  throw new DataError(
    `config.json in ${store.location} is of ${kind === undefined ? 'an unknown model' : `'${kind}'`}, which does not put pictures and texts into one space. Those that do are ${Object.keys(EMBEDDERS).join(', ')}.`,
  );
}

/**
 * A scorer for `rerank` out of a folder or what `openPretrained` gives, such as `Salesforce/blip-itm-base-coco`.
 *
 * @throws DataError that says what is missing, damaged, or not supported
 */
export async function loadScorer(store: Store): Promise<LoadedScorer> {
  const config = await readJSON(store, 'config.json', configSchema);
  if (config.model_type !== 'blip')
    throw new DataError(
      `config.json in ${store.location} is of '${config.architecture ?? config.model_type}', but results are re-ranked by BLIP with its matching heads, such as Salesforce/blip-itm-base-coco.`,
    );
  const { blip, tokenizer } = await loadBlipMatching(store, config);
  return owned(blip, blipScorer(blip, tokenizer));
}

/** What works with a model, and ends with it. */
const owned = <T>(model: { dispose(): void }, part: T): T & { dispose(): void } => ({
  ...part,
  dispose: () => model.dispose(),
});

async function loadBlipMatching(store: Store, config: ModelConfig) {
  if (config.architectures && !config.architectures.includes('BlipForImageTextRetrieval'))
    throw new DataError(
      `config.json in ${store.location} is of ${config.architectures.join(', ')}, which has no heads that match pictures and texts. Salesforce/blip-itm-base-coco has.`,
    );
  const [tokenizer, preprocessing] = [await PretrainedTokenizer.load(store), await loadPreprocessing(store)];
  const blip = await BlipMatching.load(readBlipConfig(config), await openWeights(store), preprocessing);
  return { blip, tokenizer };
}
