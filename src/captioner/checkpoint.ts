import type * as tf from '@tensorflow/tfjs';
import { version_core } from '@tensorflow/tfjs';
import * as v from 'valibot';
import type { Captioner, GenerationDefaults } from '../captioner';
import { DataError, UsageError } from '../core/errors';
import { whole } from '../core/schema';
import { createEncoder } from '../encoders/create';
import type { Encoder } from '../encoders/types';
import { assignStored, readJSON, readTensors, writeJSON, writeTensors } from '../io/checkpoint';
import type { Store } from '../io/types';
import { VERSION } from '../version';
import { type MetadataReading, metadataSchema } from './metadata';
import { type CaptionTokenizer, readTokenizer, tokenizerFile, writeTokenizer } from './tokenizerFiles';

/** What `config.json` of every captioner of this library begins with. */
export const formatEntries = {
  format: v.literal('tfjs-captioning'),
  formatVersion: v.literal(1),
  dropout: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  generation: v.object({ beamSize: whole, lengthPenalty: v.number(), maxLength: whole }),
  metadata: v.optional(metadataSchema),
};

/** Sizes of a decoder that have to fit the vocabulary and the encoder. */
type DecoderSizes = { vocabSize: number; featureSize: number };

/** What a checkpoint says a captioner is made of. */
export type StoredParts<Config> = {
  encoder: Encoder;
  decoder: Config;
  tokenizer: CaptionTokenizer;
  generation: GenerationDefaults;
  dropout: number;
  /** What it reads of the metadata of pictures. */
  metadata: MetadataReading | undefined;
  /** Whether the encoder was made for the captioner, or is the caller's. */
  ownsEncoder: boolean;
};

/** What a checkpoint cannot make by itself. */
export type LoadParts = {
  /** An encoder of your own, of the configuration that was saved: it gets the weights that were saved, and stays yours. */
  encoder?: Encoder;
};

/** A captioner with one of our own encoders. */
type OwnCaptioner = Captioner & {
  readonly tokenizer: CaptionTokenizer;
  parameters(): Map<string, tf.Variable>;
};

/**
 * Reads `config.json`, `vocabulary.json` and `model.safetensors`.
 *
 * @param kind - its `architecture`, and what `decoder` in its configuration has to be
 * @param build - makes the captioner, which owns the encoder from then on
 * @throws DataError that names the file which is missing, damaged or does not fit; UsageError for an encoder of another type
 */
export async function readCaptioner<Config extends DecoderSizes, C extends OwnCaptioner & { dispose(): void }>(
  store: Store,
  kind: { architecture: string; decoder: v.GenericSchema<unknown, Config> },
  build: (parts: StoredParts<Config>) => C,
  given: LoadParts = {},
): Promise<C> {
  // The preprocessing is written for other readers; here the encoder's type implies it.
  const schema = v.object({
    ...formatEntries,
    architecture: v.literal(kind.architecture),
    encoder: v.looseObject({ type: v.string() }),
    decoder: kind.decoder,
  });
  const { encoder: encoderConfig, ...stored } = await readJSON(store, 'config.json', schema);
  const { decoder, generation, dropout, metadata } = stored;
  const tokenizer = await readTokenizer(store);
  const weights = await readTensors(store, 'model.safetensors');
  const ownsEncoder = given.encoder === undefined;
  if (given.encoder && given.encoder.config.type !== encoderConfig.type)
    throw new UsageError(
      `The captioner in ${store.location} was saved with an encoder '${encoderConfig.type}', not '${given.encoder.config.type}'.`,
    );
  const encoder = given.encoder ?? createEncoder(encoderConfig);
  let owner: { dispose(): void } = ownsEncoder ? encoder : { dispose: () => {} };
  try {
    if (tokenizer.vocabSize !== decoder.vocabSize)
      throw new DataError(
        `${tokenizerFile(tokenizer)} in ${store.location} has ${tokenizer.vocabSize} entries but the decoder was built for ${decoder.vocabSize}. Put back the vocabulary that was saved with the weights.`,
      );
    if (encoder.featureSize !== decoder.featureSize)
      throw new DataError(
        `config.json in ${store.location} describes an encoder with ${encoder.featureSize} features per position but a decoder that reads ${decoder.featureSize}. Put back the configuration that was saved with the weights.`,
      );
    const captioner = build({ encoder, decoder, tokenizer, generation, dropout, metadata, ownsEncoder });
    owner = captioner;
    assignStored(captioner.parameters(), weights, `model.safetensors in ${store.location}`);
    return captioner;
  } catch (error) {
    owner.dispose();
    throw error;
  }
}

export type SaveOptions = {
  /** `F16` halves the file; scores change in the fourth digit at most, as a rule. */
  dtype?: 'F32' | 'F16';
  /** README.md, the model card. */
  card?: string;
  /** Search defaults to write instead of the present ones. */
  generation?: Partial<GenerationDefaults>;
};

/** Writes what `readCaptioner` reads, and a model card; `config.json`, without which there is no checkpoint, comes last. */
export async function writeCaptioner(
  store: Store,
  captioner: OwnCaptioner,
  kind: { architecture: string; title: string; decoder: DecoderSizes },
  options: SaveOptions = {},
): Promise<void> {
  const { dtype = 'F32', card = plainCard(captioner, kind.title), generation = {} } = options;
  await writeTensors(store, 'model.safetensors', captioner.parameters(), dtype);
  await writeTokenizer(store, captioner.tokenizer);
  await store.write('README.md', new TextEncoder().encode(card));
  await writeJSON(store, 'config.json', {
    format: 'tfjs-captioning',
    formatVersion: 1,
    architecture: kind.architecture,
    encoder: captioner.encoder.config,
    preprocessing: captioner.encoder.preprocessing,
    decoder: kind.decoder,
    dropout: captioner.dropout,
    generation: { ...captioner.generation, ...generation },
    ...(captioner.metadata && { metadata: captioner.metadata }),
    versions: { 'tfjs-captioning': VERSION, '@tensorflow/tfjs': version_core },
  });
}

function plainCard({ encoder, tokenizer }: OwnCaptioner, title: string): string {
  return [
    `# ${title}`,
    '',
    `Made with tfjs-captioning ${VERSION}. Encoder: \`${encoder.config.type}\`. Vocabulary: ${tokenizer.vocabSize} entries.`,
    '',
    'What it was trained on, how well it does and what it must not be used for belongs here.',
    '',
  ].join('\n');
}
