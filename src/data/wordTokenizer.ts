import * as v from 'valibot';
import { DataError, expectWhole, UsageError } from '../core/errors';
import { defaultTextOptions, joinWords, normaliseCaption, type TextOptions } from './normalise';
import type { Tokenizer } from './tokenizer';

export type WordTokenizerOptions = {
  /** A word enters the vocabulary if the captions hold it this often; rarer ones become unknown. */
  minCount?: number;
  /** Most entries, the four special ones included; the most frequent words stay. */
  maxSize?: number;
  text?: Partial<TextOptions>;
};

/** The content of `vocabulary.json`: a word's place in `words` is its id, and `special` names four of them. */
export type Vocabulary = {
  words: string[];
  special: { pad: number; start: number; end: number; unknown: number };
  text: TextOptions;
};

const idSchema = v.pipe(v.number(), v.integer(), v.minValue(0));
const textSchema = v.strictObject({
  unicode: v.optional(v.picklist(['NFC', 'NFKC']), defaultTextOptions.unicode),
  lowerCase: v.optional(v.boolean(), defaultTextOptions.lowerCase),
  punctuation: v.optional(v.picklist(['drop', 'keep']), defaultTextOptions.punctuation),
  numbers: v.optional(v.picklist(['keep', 'spell', 'drop']), defaultTextOptions.numbers),
  hyphens: v.optional(v.picklist(['keep', 'split']), defaultTextOptions.hyphens),
});
const vocabularySchema = v.object({
  words: v.array(v.pipe(v.string(), v.nonEmpty('a word is empty'))),
  special: v.object({ pad: idSchema, start: idSchema, end: idSchema, unknown: idSchema }),
  text: v.optional(textSchema, {}),
});

/** Whole words to ids: a vocabulary counted on captions, `<unknown>` for every other word. */
export class WordTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly padId: number;
  readonly startId: number;
  readonly endId: number;
  readonly unknownId: number;
  private readonly ids: ReadonlyMap<string, number>;
  private readonly special: ReadonlySet<number>;

  /** From a vocabulary that is known to be whole; `fromJSON` checks one that was read. */
  constructor(readonly vocabulary: Readonly<Vocabulary>) {
    const { words, special } = vocabulary;
    this.vocabSize = words.length;
    this.padId = special.pad;
    this.startId = special.start;
    this.endId = special.end;
    this.unknownId = special.unknown;
    this.special = new Set(Object.values(special));
    // The special words are no words of captions: text cannot smuggle in an end token.
    this.ids = new Map(words.map((word, id) => [word, id] as const).filter(([, id]) => !this.special.has(id)));
  }

  /**
   * Counts words and numbers them by count, highest first, then alphabetically: the order of the captions is no
   * matter. Reads the captions once.
   *
   * @throws DataError where no word is frequent enough; UsageError where an option cannot be meant
   */
  static async fromCaptions(
    captions: Iterable<string> | AsyncIterable<string>,
    { minCount = 5, maxSize = Number.MAX_SAFE_INTEGER, text: textOptions = {} }: WordTokenizerOptions = {},
  ): Promise<WordTokenizer> {
    expectWhole('minCount', minCount, 1);
    expectWhole('maxSize', maxSize, 5);
    const options = v.safeParse(textSchema, textOptions);
    if (!options.success) throw new UsageError(`The option text.${issueOf(options.issues)}.`);
    const text = options.output;
    const counts = new Map<string, number>();
    let read = 0;
    for await (const caption of captions) {
      read++;
      for (const word of wordsOf(caption, text)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const special = ['<pad>', '<start>', '<end>', '<unknown>'];
    const frequent = [...counts]
      .filter(([, count]) => count >= minCount)
      .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
      .slice(0, maxSize - special.length)
      .map(([word]) => word);
    if (frequent.length === 0)
      throw new DataError(
        `No word occurs ${minCount} times in the ${read} captions, so the vocabulary would be empty. ` +
          (read === 0 ? 'Pass captions to count.' : 'Lower minCount or pass more captions.'),
      );
    return new WordTokenizer({
      words: [...special, ...frequent],
      special: { pad: 0, start: 1, end: 2, unknown: 3 },
      text,
    });
  }

  /**
   * From what `toJSON` gave.
   *
   * @param where - the file it came from, for messages
   * @throws DataError that says what is wrong with it
   */
  static fromJSON(value: unknown, where = 'vocabulary.json'): WordTokenizer {
    const refuse = (problem: string): never => {
      throw new DataError(
        `${where} is not a vocabulary: ${problem}. It should be the file that was saved with the model.`,
      );
    };
    const parsed = v.safeParse(vocabularySchema, value);
    if (!parsed.success) return refuse(issueOf(parsed.issues));
    const { words, special, text } = parsed.output;
    const seen = new Map<string, number>();
    words.forEach((word, id) => {
      const first = seen.get(word);
      if (first !== undefined) refuse(`the word ${JSON.stringify(word)} has two ids, ${first} and ${id}`);
      seen.set(word, id);
    });
    const owners = new Map<number, string>();
    for (const [name, id] of Object.entries(special)) {
      if (id >= words.length) refuse(`special.${name} is ${id} but there are only ${words.length} words`);
      if (owners.has(id)) refuse(`special.${name} and special.${owners.get(id)} are both ${id}`);
      owners.set(id, name);
    }
    return new WordTokenizer({ words, special, text });
  }

  encode(caption: string): number[] {
    return wordsOf(caption, this.vocabulary.text).map((word) => this.ids.get(word) ?? this.unknownId);
  }

  words(tokens: readonly number[]): string[] {
    const { words } = this.vocabulary;
    return tokens
      .filter((id) => !this.special.has(id))
      .map((id) => {
        const word = words[id];
        if (word === undefined)
          throw new RangeError(
            `Token ${id} is not in the vocabulary of ${words.length} words. Were model and vocabulary saved together?`,
          );
        return word;
      });
  }

  decode(tokens: readonly number[]): string {
    return joinWords(this.words(tokens));
  }

  toJSON(): Vocabulary {
    const { words, special, text } = this.vocabulary;
    return { words: [...words], special: { ...special }, text: { ...text } };
  }
}

/** The first thing that is wrong, and where. */
function issueOf([issue]: [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]): string {
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}

function wordsOf(caption: string, text: TextOptions): string[] {
  return normaliseCaption(caption, text)
    .split(' ')
    .filter((word) => word !== '');
}
