import {
  type MetadataOptions,
  type MetadataReading,
  metadataOf,
  metadataPrompt,
  metadataReading,
  readMetadata,
  withSlots,
} from '../../captioner/metadata';
import { expectWhole, UsageError } from '../../core/errors';
import type { Tokenizer } from '../../data/tokenizer';
import type { Example } from '../../data/types';
import { type CaptionBatch, captionBatch } from '../captionBatch';
import { wordLoss } from '../losses';
import type { Objective } from '../objective';

export type MetadataPromptedOptions = MetadataOptions & {
  /** How often a caption is learned without what is known of its picture, in [0, 1], so that it works without. Default 0.3. */
  dropRate?: number;
  /** Words of a caption that are learned; what is longer is cut. It takes the place of that of `train`. Default 24. */
  maxLength?: number;
};

/** A caption, and what stands before it, which is not learned. */
export type PromptedCaption = { prompt: readonly number[]; words: readonly number[] };

/**
 * Learning captions that the metadata of their pictures stands before, such as the title of a page, its section and its categories:
 * `example.metadata`, and of what that tells of each caption (`metadataOf`) what it tells of the one that is learned. Only the words of the caption are learned. Names that both have become slots, which the captioner learns to
 * take over; `captionWithMetadata` puts the names back. The vocabulary has to know slots and metadata: count it on
 * `metadataCaptions`.
 *
 * @throws UsageError for options that cannot be meant
 */
export function metadataPrompted({ dropRate = 0.3, maxLength = 24, ...options }: MetadataPromptedOptions): Objective {
  const reading = metadataReading(options);
  const { fields, maxTokens, maxNames } = reading;
  expectWhole('maxLength', maxLength, 1);
  if (!(dropRate >= 0 && dropRate <= 1))
    throw new UsageError(`dropRate is ${dropRate} but should be within 0 and 1, such as 0.3.`);
  return {
    ownCaptions: false,
    ownLayout: true,
    settings: { objective: 'metadata', fields: fields.join(','), maxTokens, maxNames, dropRate, maxLength },
    async lesson({ captioner, examples, captionsPerImage, labelSmoothing, random }) {
      const { tokenizer } = captioner;
      expectSame(captioner.metadata, reading);
      const rows = examples.flatMap((example) => {
        const chances = random.fork(example.id);
        const drops = chances.fork('drop').uniform(captionsPerImage);
        const order = chances.fork('captions').shuffle([...example.captions.keys()]);
        return Array.from(drops, (drop, i) =>
          promptedCaption(tokenizer, example, order[i % order.length]!, {
            reading: drop < dropRate ? undefined : reading,
            maxLength,
          }),
        );
      });
      return {
        captions: promptedBatch(rows, tokenizer),
        loss: (pass, targets) => wordLoss(pass, targets, labelSmoothing),
      };
    },
  };
}

/** A caption of an example after its metadata, with slots for names; without `reading` nothing is known of it. */
export function promptedCaption(
  tokenizer: Tokenizer,
  example: Example,
  caption: number,
  { reading, maxLength }: { reading: MetadataReading | undefined; maxLength: number },
): PromptedCaption {
  const { text, names } = reading ? readMetadata(metadataOf(example, caption), reading) : { text: '', names: [] };
  return {
    prompt: metadataPrompt(tokenizer, { text }, reading),
    words: tokenizer.encode(withSlots(example.captions[caption]!, names)).slice(0, maxLength),
  };
}

/** A captioner that says what it reads is not to be taught to read something else. */
function expectSame(own: MetadataOptions | undefined, taught: MetadataReading): void {
  if (own === undefined || JSON.stringify(metadataReading(own)) === JSON.stringify(taught)) return;
  throw new UsageError(
    `The captioner was made to read the metadata ${JSON.stringify(own)} but is to be taught ${JSON.stringify(taught)}. Give both the same.`,
  );
}

/** As `captionBatch`, with a prompt before each caption, of which nothing is learned; it ends in the start token. */
export function promptedBatch(
  rows: readonly PromptedCaption[],
  special: { startId: number; endId: number; padId: number },
): CaptionBatch {
  const whole = captionBatch(
    rows.map(({ prompt, words }) => [...prompt.slice(1), ...words]),
    special,
  );
  const learned = [...whole.wanted.keys()].filter((i) => {
    const place = whole.wanted[i]!;
    return place % whole.time >= rows[Math.floor(place / whole.time)]!.prompt.length - 1;
  });
  const mask = new Float32Array(whole.mask.length);
  for (const i of learned) mask[whole.wanted[i]!] = 1;
  return {
    ...whole,
    targets: Int32Array.from(learned, (i) => whole.targets[i]!),
    wanted: Int32Array.from(learned, (i) => whole.wanted[i]!),
    mask,
  };
}
