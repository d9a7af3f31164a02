import type { Command } from 'commander';
import type { GenerationDefaults } from '../captioner';
import { UsageError } from '../core/errors';
import type { Tokenizer } from '../data/tokenizer';
import { beam } from '../decoders/search/beam';
import type { Constraints } from '../decoders/search/constraints';
import { contrastive } from '../decoders/search/contrastive';
import { greedy } from '../decoders/search/greedy';
import { type SampleOptions, sample } from '../decoders/search/sample';
import type { Search } from '../decoders/search/types';
import { finite, notNegative, positive, wholeFrom } from './shared';

/** What the command line says about the search. */
export type SearchOptions = {
  beamSize?: number;
  lengthPenalty?: number;
  groups?: number;
  diversityPenalty?: number;
  forcedWords?: string[];
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  typicalP?: number;
  samples?: number;
  seed?: number;
  penaltyAlpha?: number;
  minLength?: number;
  banRepeats?: number;
  repetitionPenalty?: number;
  badWords?: string[];
};

/** Adds the options of `SearchOptions` to a command. */
export function addSearchOptions(command: Command): Command {
  return command
    .option('--beam-size <number>', 'hypotheses kept; 1 is greedy (default: as the captioner was tuned)', wholeFrom(1))
    .option('--length-penalty <number>', 'of the beam: above 0 favours long captions', finite)
    .option('--groups <number>', 'parts of the beam that avoid each other (diverse beam search)', wholeFrom(2))
    .option('--diversity-penalty <number>', 'what a group loses for a word of an earlier one (default: 1)', positive)
    .option('--forced-words <words...>', 'words or phrases that the caption has to hold, each in quotes')
    .option('--temperature <number>', 'divides the logits; without --beam-size captions are sampled', positive)
    .option('--top-k <number>', 'sample from this many likeliest words', wholeFrom(1))
    .option('--top-p <number>', 'sample from the likeliest words that hold this much probability', positive)
    .option('--min-p <number>', 'sample from words with this share of the likeliest one', positive)
    .option('--typical-p <number>', 'sample from the most typical words that hold this much probability', positive)
    .option('--samples <number>', 'captions to draw for a picture, the likeliest first', wholeFrom(1))
    .option('--seed <number>', 'of sampling', wholeFrom(0))
    .option('--penalty-alpha <number>', 'contrastive search: what sameness costs, from 0 to 1', notNegative)
    .option('--min-length <number>', 'tokens per caption at least, the end included', wholeFrom(1))
    .option('--ban-repeats <number>', 'no sequence of so many words occurs twice', wholeFrom(1))
    .option('--repetition-penalty <number>', 'above 1: what was said becomes less likely', positive)
    .option('--bad-words <words...>', 'words or phrases that never occur, each in quotes');
}

/** The names of options that decide by themselves which strategy it is. */
const OF_STRATEGY = {
  beam: ['beamSize', 'lengthPenalty', 'groups', 'diversityPenalty', 'forcedWords'],
  sample: ['topP', 'minP', 'typicalP', 'samples', 'seed'],
  contrastive: ['penaltyAlpha'],
} as const satisfies Record<string, readonly (keyof SearchOptions)[]>;

/**
 * The strategy that options describe; nothing where the captioner's own is to be used.
 *
 * @param captioner - absent while it is not loaded: what does not go together is refused all the same
 * @throws UsageError for options that do not go together, and words that the captioner does not know
 */
export function searchOf(
  options: SearchOptions,
  captioner?: { generation: GenerationDefaults; tokenizer: Tokenizer },
): Search | undefined {
  const { beamSize, lengthPenalty, groups, temperature, topK, topP, minP, typicalP, samples, seed } = options;
  const { penaltyAlpha, diversityPenalty = groups && 1, forcedWords } = options;
  const named = (strategy: keyof typeof OF_STRATEGY) => OF_STRATEGY[strategy].filter((name) => given(options[name]));
  const [beams, samplings, contrasts] = [named('beam'), named('sample'), named('contrastive')];
  const constraints = constraintsOf(options, captioner?.tokenizer);

  if (contrasts.length > 0) {
    refuse('--penalty-alpha asks for contrastive search', [
      ...beams,
      ...samplings,
      ...(given(temperature) ? ['temperature'] : []),
    ]);
    return contrastive(defined({ penaltyAlpha, topK, ...constraints }));
  }
  if (samplings.length > 0 || given(topK) || (given(temperature) && beams.length === 0)) {
    const first = [...samplings, ...(given(topK) ? ['topK'] : ['temperature'])][0]!;
    refuse(`${flag(first)} samples`, beams);
    if (samplings.every((name) => name === 'seed') && !given(topK) && !given(temperature))
      throw new UsageError('--seed belongs to sampling: give --temperature, --top-k or --top-p too, or leave it out.');
    return sample(defined({ temperature, topK, topP, minP, typicalP, samples, seed, ...constraints }) as SampleOptions);
  }
  if (beams.length === 0 && Object.keys(constraints).length === 0) return undefined;
  if (beamSize === 1 && !given(temperature) && beams.length === 1) return greedy(constraints);
  const tuned = captioner?.generation ?? { beamSize: groups ?? 1, lengthPenalty: 1 };
  return beam({
    beamSize: beamSize ?? tuned.beamSize,
    lengthPenalty: lengthPenalty ?? tuned.lengthPenalty,
    ...defined({ groups, diversityPenalty, temperature }),
    ...(forcedWords && { forcedWords: tokensOf('--forced-words', forcedWords, captioner?.tokenizer) }),
    ...constraints,
  });
}

const given = (value: unknown) => value !== undefined;

/** beamSize -> --beam-size */
const flag = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function refuse(why: string, names: readonly string[]): void {
  if (names.length === 0) return;
  const [one, belongs] = names.length === 1 ? ['it', 'belongs'] : ['them', 'belong'];
  throw new UsageError(`${why}; ${names.map(flag).join(' and ')} ${belongs} to another search. Leave ${one} out.`);
}

function constraintsOf(options: SearchOptions, tokenizer: Tokenizer | undefined): Constraints {
  const { minLength, banRepeats, repetitionPenalty, badWords } = options;
  return defined({
    minNewTokens: minLength,
    noRepeatNgram: banRepeats,
    repetitionPenalty,
    badWords: badWords && tokensOf('--bad-words', badWords, tokenizer),
  });
}

type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

function defined<T extends object>(entries: T): Defined<T> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => given(value))) as Defined<T>;
}

/** Tokens of phrases; before the captioner is there, a token that stands for any. */
function tokensOf(name: string, phrases: readonly string[], tokenizer: Tokenizer | undefined): number[][] {
  if (!tokenizer) return phrases.map(() => [0]);
  return phrases.map((phrase) => {
    const tokens = tokenizer.encode(phrase);
    if (tokens.length > 0 && !tokens.includes(tokenizer.unknownId)) return tokens;
    throw new UsageError(
      `${name}: the captioner does not know ${JSON.stringify(phrase)}. Take words of its vocabulary.`,
    );
  });
}
