import * as v from 'valibot';
import { DataError } from '../core/errors';
import type { WeightSource } from '../core/spec';
import { loadPreprocessing } from '../data/preprocessing';
import { PretrainedTokenizer } from '../data/pretrainedTokenizer';
import type { Preprocessing } from '../encoders/types';
import { readJSON } from '../io/checkpoint';
import { openPretrained, type PretrainedOptions } from '../io/pretrained';
import type { Store } from '../io/types';
import { openWeights } from '../io/weights';
import { Blip } from './blip';
import { Blip2, readBlip2Config } from './blip2';
import { readBlipConfig } from './blipConfig';
import { generationKeys, searchFromGenerationConfig } from './generationConfig';
import { Git, readGitConfig } from './git';
import { type CaptioningModel, PretrainedCaptioner, withIds } from './pretrainedCaptioner';
import { readFilesBeside } from './pretrainedFiles';
import { VisionEncoderDecoder } from './visionEncoderDecoder';
import { readVisionEncoderDecoderConfig } from './visionEncoderDecoderConfig';

export type FromPretrainedOptions = PretrainedOptions & {
  /** Which file of weights, where there are several or it has a name of its own. */
  file?: string;
  /** Probability of dropping a value when it is trained, in [0, 1); 0 by default. */
  dropout?: number;
};

type JSONObject = Record<string, unknown>;

type Kind = {
  load(config: JSONObject, source: WeightSource, preprocessing: Preprocessing): Promise<CaptioningModel>;
  /** What goes over `generation_config.json`. */
  generation?(config: JSONObject): JSONObject;
};

/** By the `model_type` of `config.json`. */
const KINDS: Record<string, Kind> = {
  'vision-encoder-decoder': {
    load: (config, source, preprocessing) =>
      VisionEncoderDecoder.load(readVisionEncoderDecoderConfig(config), source, preprocessing),
  },
  blip: {
    load: (config, source, preprocessing) => Blip.load(readBlipConfig(config), source, preprocessing),
    // What transformers gives to its search, whatever the files say.
    generation(config) {
      const { startId, endId, padId } = readBlipConfig(config);
      return { decoder_start_token_id: startId, eos_token_id: endId, pad_token_id: padId };
    },
  },
  git: { load: (config, source, preprocessing) => Git.load(readGitConfig(config), source, preprocessing) },
  'blip-2': { load: (config, source, preprocessing) => Blip2.load(readBlip2Config(config), source, preprocessing) },
};

/**
 * A published captioner of transformers, ready to caption and to be trained: VisionEncoderDecoder (ViT with GPT-2 or BERT),
 * BLIP, GIT, BLIP-2 with OPT. `config.json` says which.
 *
 * @param source - an id of the Hugging Face hub, the address of a folder, or a store such as `directory(path)`
 * @throws DataError that says what is missing, damaged, or not supported
 */
export async function fromPretrained(
  source: string | URL | Store,
  { file, dropout = 0, ...options }: FromPretrainedOptions = {},
): Promise<PretrainedCaptioner> {
  const store = typeof source === 'string' || source instanceof URL ? await openPretrained(source, options) : source;
  const where = `config.json in ${store.location}`;
  const config = await readJSON(store, 'config.json', v.record(v.string(), v.unknown()));
  const { model_type: type } = config;
  const kind = typeof type === 'string' && Object.hasOwn(KINDS, type) ? KINDS[type]! : undefined;
  if (!kind)
    throw new DataError(
      `${where} has the model_type ${JSON.stringify(type)}, which is no captioner that can be loaded. Those that can are ${Object.keys(KINDS).join(', ')}.`,
    );
  const given = await generationOf(store, config);
  const generationConfig = { ...given, ...kind.generation?.(config) };
  const { startId, endId, padId } = searchFromGenerationConfig(generationConfig);
  const tokenizer = withIds(await PretrainedTokenizer.load(store), { startId, endId, padId }, store.location);
  const preprocessing = await loadPreprocessing(store);
  const files = await readFilesBeside(store);
  const model = await kind.load(config, await openWeights(store, file === undefined ? {} : { file }), preprocessing);
  try {
    return new PretrainedCaptioner({ model, tokenizer, generationConfig, files, dropout });
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** `generation_config.json`, or what older folders say of it in `config.json`. */
async function generationOf(store: Store, config: JSONObject): Promise<JSONObject> {
  if ((await store.size('generation_config.json')) !== undefined)
    return readJSON(store, 'generation_config.json', v.record(v.string(), v.unknown()));
  const parts = [config.decoder, config.text_config, config] as (JSONObject | undefined)[];
  const known = generationKeys();
  const entries = parts.flatMap((part) =>
    Object.entries(part ?? {}).filter(([key, value]) => known.has(key) && value !== null),
  );
  return Object.fromEntries(entries);
}
