import type * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { DataError } from '../core/errors';
import type { WeightSource } from '../core/spec';
import { loadPreprocessing } from '../data/preprocessing';
import { PretrainedTokenizer } from '../data/pretrainedTokenizer';
import type { Preprocessing } from '../encoders/types';
import { readJSON } from '../io/checkpoint';
import { openPretrained, type PretrainedOptions } from '../io/pretrained';
import { type SaveStateDictOptions, saveStateDict } from '../io/saveStateDict';
import type { Store } from '../io/types';
import { openWeights } from '../io/weights';
import { BertMLM, readBertMLMConfig } from './bertMLM';
import { BlipMatching } from './blip';
import { readBlipConfig } from './blipConfig';
import { Clip, readClipConfig } from './clip';
import { Lxmert } from './lxmert';
import { readLxmertConfig } from './lxmertConfig';
import { hasFile, readFilesBeside, writeFilesBeside } from './pretrainedFiles';
import { readSiglipConfig, Siglip } from './siglip';
import { Vilbert } from './vilbert';
import { readVilbertConfig } from './vilbertConfig';
import { VisualBert } from './visualBert';
import { readVisualBertConfig } from './visualBertConfig';

/** By the `model_type` of `config.json`, which ViLBERT's has not. */
export type PretrainedModels = {
  bert: BertMLM;
  blip: BlipMatching;
  clip: Clip;
  lxmert: Lxmert;
  siglip: Siglip;
  vilbert: Vilbert;
  visual_bert: VisualBert;
};

type Load<Model> = (config: JSONObject, source: WeightSource, preprocessing?: Preprocessing) => Promise<Model>;
type JSONObject = Record<string, unknown>;

const LOAD: { [Kind in keyof PretrainedModels]: Load<PretrainedModels[Kind]> } = {
  bert: (config, source) => BertMLM.load(readBertMLMConfig(config), source),
  blip: (config, source, preprocessing) => BlipMatching.load(readBlipConfig(config), source, preprocessing),
  clip: (config, source) => Clip.load(readClipConfig(config), source),
  lxmert: (config, source) => Lxmert.load(readLxmertConfig(config), source),
  siglip: (config, source) => Siglip.load(readSiglipConfig(config), source),
  vilbert: (config, source) => Vilbert.load(readVilbertConfig(config), source),
  visual_bert: (config, source) => VisualBert.load(readVisualBertConfig(config), source),
};

export type ModelFromPretrainedOptions = PretrainedOptions & {
  /** Which file of weights, where there are several or it has a name of its own. */
  file?: string;
  /** What `config.json` would say, where there is none. */
  config?: JSONObject;
};

/** A model with what its folder holds beside it: those of regions have no pictures, and some have no tokenizer of their own. */
export type PretrainedModel<Model> = {
  /** Belongs to the caller: `model.dispose()`. */
  model: Model;
  tokenizer: PretrainedTokenizer | undefined;
  preprocessing: Preprocessing | undefined;
  /** Writes a folder that transformers in Python loads with `from_pretrained`, and this function here. */
  savePretrained(store: Store, options?: Omit<SaveStateDictOptions, 'dispose'>): Promise<void>;
};

/**
 * A published model that reads words, or pictures and words, without captioning: BERT that guesses masked words, VisualBERT,
 * LXMERT, ViLBERT, CLIP, SigLIP, or BLIP that says how well a text fits a picture.
 *
 * @param kind - which of them
 * @param source - an id of the Hugging Face hub, the address of a folder, or a store such as `directory(path)`
 * @throws DataError that says what is missing, damaged, or not supported
 */
export async function modelFromPretrained<Kind extends keyof PretrainedModels>(
  kind: Kind,
  source: string | URL | Store,
  { file, config: given, ...options }: ModelFromPretrainedOptions = {},
): Promise<PretrainedModel<PretrainedModels[Kind]>> {
  const store = typeof source === 'string' || source instanceof URL ? await openPretrained(source, options) : source;
  const config = given ?? (await readJSON(store, 'config.json', v.record(v.string(), v.unknown())));
  const { model_type: type = kind } = config;
  if (type !== kind)
    throw new DataError(
      `config.json in ${store.location} has the model_type ${JSON.stringify(type)}, but '${kind}' was asked for.`,
    );
  const has = async (names: string[]) => (await Promise.all(names.map((name) => hasFile(store, name)))).includes(true);
  const reads = await has(['tokenizer.json', 'vocab.json', 'vocab.txt']);
  const sees = await has(['preprocessor_config.json', 'processor_config.json']);
  const tokenizer = reads ? await PretrainedTokenizer.load(store) : undefined;
  const preprocessing = sees ? await loadPreprocessing(store) : undefined;
  const files = await readFilesBeside(store);
  if (given) files.set('config.json', new TextEncoder().encode(`${JSON.stringify(given, null, 2)}\n`));
  const model = await LOAD[kind](config, await openWeights(store, file === undefined ? {} : { file }), preprocessing);
  return {
    model,
    tokenizer,
    preprocessing,
    async savePretrained(target, saving = {}) {
      const saved: { stateDict(): Iterable<[key: string, value: tf.Tensor]> } = model;
      await saveStateDict(target, saved.stateDict(), { ...saving, dispose: true });
      await writeFilesBeside(target, files, saving.dtype);
    },
  };
}
