import { type MetadataOptions, metadataPrompt, readMetadata, withSlots } from '../../captioner/metadata';
import { UsageError } from '../../core/errors';
import { type CaptionBatch, captionBatch } from '../captionBatch';
import { wordLoss } from '../losses';
import type { Objective } from '../objective';

export type MetadataPromptedOptions = MetadataOptions & {
  /** How often a caption is learned without what is known of its picture, in [0, 1], so that it works without. Default 0.3. */
  dropRate?: number;
  /** Words of a caption that are learned; what is longer is cut. It takes the place of that of `train`. Default 24. */
  maxLength?: number;
};

/**
 * Learning captions that the metadata of their pictures stands before, such as the title of a page, its section and its categories:
 * `example.metadata`. Only the words of the caption are learned. Names that both have become slots, which the captioner learns to
 * take over; `captionWithMetadata` puts the names back. The vocabulary has to know slots and metadata: count it on
 * `metadataCaptions`.
 *
 * @throws UsageError for options that cannot be meant
 */
export function metadataPrompted(options: MetadataPromptedOptions): Objective {
  const { fields, maxTokens = 24, maxNames = 4, dropRate = 0.3, maxLength = 24 } = options;
  if (!(dropRate >= 0 && dropRate <= 1))
    throw new UsageError(`dropRate is ${dropRate} but should be within 0 and 1, such as 0.3.`);
  readMetadata({}, options); // refuses what cannot be meant
  return {
    ownCaptions: false,
    settings: { objective: 'metadata', fields: fields.join(','), maxTokens, maxNames, dropRate, maxLength },
    async lesson({ captioner: { tokenizer }, examples, captionsPerImage, labelSmoothing, random }) {
      const rows = examples.flatMap(({ id, captions, metadata }) => {
        const known = readMetadata(metadata, options);
        const chances = random.fork(id);
        const drops = chances.fork('drop').uniform(captionsPerImage);
        const order = chances.fork('captions').shuffle(captions);
        return Array.from(drops, (drop, i) => {
          const { text, names } = drop < dropRate ? { text: '', names: [] } : known;
          return {
            prompt: metadataPrompt(tokenizer, { text }, { maxTokens }),
            words: tokenizer.encode(withSlots(order[i % order.length]!, names)).slice(0, maxLength),
          };
        });
      });
      return {
        captions: promptedBatch(rows, tokenizer),
        loss: (pass, targets) => wordLoss(pass, targets, labelSmoothing),
      };
    },
  };
}

/** As `captionBatch`, with a prompt before each caption, of which nothing is learned; it ends in the start token. */
function promptedBatch(
  rows: readonly { prompt: readonly number[]; words: readonly number[] }[],
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
