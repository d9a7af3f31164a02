import * as v from 'valibot';
import { expectWhole, UsageError } from '../core/errors';
import { whole } from '../core/schema';
import type { Tokenizer } from '../data/tokenizer';
import type { Dataset, Example } from '../data/types';

export type MetadataOptions = {
  /** What is read of the metadata, in this order, such as `['title', 'section', 'categories']`: texts, numbers and lists of them. */
  fields: readonly string[];
  /** Most tokens of it; what comes later is cut. Default 24. */
  maxTokens?: number | undefined;
  /** Most names that a caption may take over; later ones stay words. Default 4. */
  maxNames?: number | undefined;
};

/** What a captioner reads of metadata, all of it said, as `config.json` has it. */
export type MetadataReading = { [Name in keyof MetadataOptions]-?: NonNullable<MetadataOptions[Name]> };

export const metadataSchema: v.GenericSchema<unknown, MetadataReading> = v.object({
  fields: v.pipe(v.array(v.string()), v.minLength(1)),
  maxTokens: whole,
  maxNames: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(26)),
});

/** Metadata as a captioner reads it: a text in which slots stand for names, and what the slots stand for. */
export type MetadataText = { text: string; names: string[] };

/** What stands for the name at `index`, counted from 0: a word, so that a vocabulary of words has it. */
export const nameSlot = (index: number) => `nameslot${'abcdefghijklmnopqrstuvwxyz'[index]}`;

const SLOT = /\bnameslot([a-z])\b/gi;
const MOST_NAMES = 26;

/**
 * Options with their defaults.
 *
 * @throws UsageError for options that cannot be meant
 */
export function metadataReading({ fields, maxTokens = 24, maxNames = 4 }: MetadataOptions): MetadataReading {
  if (fields.length === 0) throw new UsageError("fields is empty: name some of the metadata, such as ['title'].");
  expectWhole('maxTokens', maxTokens, 1);
  expectWhole('maxNames', maxNames, 0);
  if (maxNames > MOST_NAMES) throw new UsageError(`maxNames is ${maxNames} but may be ${MOST_NAMES} at most.`);
  return { fields: [...fields], maxTokens, maxNames };
}

/**
 * What is known of a picture where one of its captions stands: what the metadata tells of that caption in `captions`, as that of
 * Wikipedia's pictures does of the page, goes before what it tells of the picture.
 *
 * @param caption - its place among the captions; by default the first
 */
export function metadataOf(
  { metadata }: Pick<Example, 'metadata'>,
  caption = 0,
): Readonly<Record<string, unknown>> | undefined {
  const { captions, ...ofPicture } = metadata ?? {};
  const ofCaption: unknown = Array.isArray(captions) ? captions[caption] : undefined;
  return typeof ofCaption === 'object' && ofCaption !== null ? { ...ofPicture, ...ofCaption } : metadata;
}

/**
 * What a captioner is told of a picture. Names are runs of words with capitals, with small ones such as `of` and `de` in between;
 * the first word of a field counts as one only where another follows, or where it is the whole field.
 *
 * @throws UsageError for options that cannot be meant
 */
export function readMetadata(
  metadata: Readonly<Record<string, unknown>> | undefined,
  options: MetadataOptions,
): MetadataText {
  const { fields, maxNames } = metadataReading(options);
  const texts = fields.flatMap((field) => textsOf(metadata?.[field]).map((text) => ({ field, text })));
  const names = [...new Set(texts.flatMap(({ text }) => namesIn(text)))].slice(0, maxNames);
  return { text: texts.map(({ field, text }) => `${field} ${withSlots(text, names)}`).join(' '), names };
}

/** A text with slots in the place of names, longer names first, whatever their capitals. */
export function withSlots(text: string, names: readonly string[]): string {
  const order = names.map((name, index) => ({ name, index })).sort((a, b) => b.name.length - a.name.length);
  return order.reduce((slotted, { name, index }) => {
    const words = name.split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return slotted.replace(
      new RegExp(`(?<![\\p{L}\\p{N}])${words.join('\\s+')}(?![\\p{L}\\p{N}])`, 'giu'),
      nameSlot(index),
    );
  }, text);
}

/** A text with names in the place of slots; a slot that has no name is left out. */
export function withNames(text: string, names: readonly string[]): string {
  return text
    .replace(SLOT, (_, letter: string) => names[letter.toLowerCase().charCodeAt(0) - 'a'.charCodeAt(0)] ?? '')
    .replace(/\s+/g, ' ')
    .trim();
}

/**
 * What stands before a caption: the start token, the metadata, and the start token again, after which the caption begins. Of a
 * picture of which nothing is known it is the start token alone.
 */
export function metadataPrompt(
  tokenizer: Tokenizer,
  { text }: Pick<MetadataText, 'text'>,
  { maxTokens = 24 }: Pick<MetadataOptions, 'maxTokens'> = {},
): number[] {
  expectWhole('maxTokens', maxTokens, 1);
  const { startId } = tokenizer;
  const tokens = tokenizer.encode(text).slice(0, maxTokens);
  return tokens.length === 0 ? [startId] : [startId, ...tokens, startId];
}

/** The captions of a data set with slots for names, and its metadata: what a vocabulary for both is counted on. */
export async function* metadataCaptions(data: Dataset, options: MetadataOptions): AsyncGenerator<string> {
  for await (const example of data) {
    const said = new Set<string>();
    for (const [place, caption] of example.captions.entries()) {
      const { text, names } = readMetadata(metadataOf(example, place), options);
      if (!said.has(text)) yield text;
      said.add(text);
      yield withSlots(caption, names);
    }
  }
}

function textsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (typeof value === 'number') return [String(value)];
  return typeof value === 'string' && value.trim() !== '' ? [value.trim()] : [];
}

const CAPITAL = "\\p{Lu}[\\p{L}\\p{M}\\p{N}'’.-]*";
const BETWEEN = '(?:of|the|de|del|della|di|da|la|le|du|des|van|von|der|den|al|el|and|y|e)';
const NAME = new RegExp(`${CAPITAL}(?:\\s+(?:${BETWEEN}\\s+){0,2}${CAPITAL})*`, 'gu');

function namesIn(text: string): string[] {
  return [...text.matchAll(NAME)]
    .map((match) => ({ name: match[0].replace(/[.'’-]+$/u, ''), at: match.index }))
    .filter(({ name, at }) => at > 0 || /\s/.test(name) || name.length === text.length)
    .map(({ name }) => name);
}
