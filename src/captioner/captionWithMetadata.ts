import * as tf from '@tensorflow/tfjs';
import { type Caption, type Captioner, type CaptionOptions, captionMemory } from '../captioner';
import { UsageError } from '../core/errors';
import { leaves, type Tree } from '../core/tree';
import { prompted } from '../decoders/prompted';
import { TransformerDecoder } from '../decoders/transformer';
import {
  type MetadataOptions,
  type MetadataReading,
  metadataPrompt,
  metadataReading,
  nameSlot,
  readMetadata,
  withNames,
} from './metadata';

/** Of one picture each, in their order; undefined where nothing is known. */
export type MetadataList = readonly (Readonly<Record<string, unknown>> | undefined)[];

/**
 * Captions of features [images, positions, featureSize], which stay the caller's, by a captioner that was trained with
 * `metadataPrompted`. Names of the metadata come into captions by their slots: words that the captioner says and that the names
 * then take the place of, so that names are spelt right which no vocabulary has. A slot for which there is no name is never said.
 *
 * @param options - what is read of the metadata; by default what the captioner says it was trained to read
 * @throws UsageError for a captioner whose decoder is no transformer or that was not trained to read metadata, and where there is
 * not one entry per picture
 * @see slots for names that the context fills: Biten et al. 2019, https://arxiv.org/abs/1904.01475, section 3
 */
export async function captionWithMetadata(
  captioner: Captioner,
  features: tf.Tensor3D,
  metadata: MetadataList,
  { fields, maxTokens, maxNames, ...options }: Partial<MetadataOptions> & CaptionOptions = {},
): Promise<Caption[]> {
  const { decoder, tokenizer, encoder, generation, search } = captioner;
  const [images] = features.shape;
  if (!(decoder instanceof TransformerDecoder))
    throw new UsageError(
      'Metadata is read by captioners with a transformer, such as TransformerCaptioner; this one has another decoder.',
    );
  if (metadata.length !== images)
    throw new UsageError(`There is metadata of ${metadata.length} pictures for ${images}; give one entry for each.`);
  const reading = readingOf(captioner, { ...(fields && { fields }), maxTokens, maxNames });
  const texts = metadata.map((each) => readMetadata(each, reading));
  const { padId, startId, endId, unknownId } = tokenizer;
  const usual = captioner.suppress ?? [padId, startId, unknownId].filter((token) => token !== endId);
  const captions = new Array<Caption>(images);
  // Pictures with as many names are captioned together: the same slots may be said.
  for (const count of new Set(texts.map(({ names }) => names.length))) {
    const chosen = texts.flatMap(({ names }, image) => (names.length === count ? [image] : []));
    const prompts = chosen.map((image) => metadataPrompt(tokenizer, texts[image]!, reading));
    const unused = Array.from({ length: 26 - count }, (_, i) => tokenizer.encode(nameSlot(count + i))).flatMap((ids) =>
      ids.length === 1 && ids[0] !== unknownId ? ids : [],
    );
    const part = tf.tidy(() => tf.gather(features, tf.tensor1d(chosen, 'int32')));
    const memory: Tree = tf.tidy(() => decoder.remember(part));
    try {
      const source = { tokenizer, encoder, generation, search, suppress: [...usual, ...unused] };
      const said = await captionMemory({ ...source, decoder: prompted(decoder, prompts) }, memory, chosen.length, {
        ...options,
        prompts,
      });
      for (const [i, image] of chosen.entries()) captions[image] = named(said[i]!, texts[image]!.names);
    } finally {
      for (const tensor of leaves(memory).values()) if (tensor !== part) tensor.dispose();
      part.dispose();
    }
  }
  return captions;
}

/** @throws UsageError where nobody says what is read of the metadata */
function readingOf(
  { metadata }: Captioner,
  {
    fields = metadata?.fields,
    maxTokens = metadata?.maxTokens,
    maxNames = metadata?.maxNames,
  }: Partial<MetadataOptions>,
): MetadataReading {
  if (fields === undefined)
    throw new UsageError(
      'This captioner does not say that it was trained to read metadata, so metadata would only confuse it. Caption without, ' +
        'or name the fields that it was trained with.',
    );
  return metadataReading({ fields, maxTokens, maxNames });
}

function named(caption: Caption, names: readonly string[]): Caption {
  const { alternatives } = caption;
  const fill = <T extends Pick<Caption, 'text' | 'words'>>(said: T): T => ({
    ...said,
    text: withNames(said.text, names),
    words: said.words.map((word) => withNames(word, names)),
  });
  return { ...fill(caption), ...(alternatives && { alternatives: alternatives.map(fill) }) };
}
