import { automatonOf } from './automaton';

/** How many characters match, and the number of the expression, the first of those that match as many; 0 and -1 for none. */
export type Match = { length: number; expression: number };

/** Where the expressions can be after some characters: a set of positions of their automaton. */
type State = {
  number: number;
  /** The first of the expressions that are complete here, -1 for none. */
  expression: number;
  /** The positions that can follow. */
  follow: number[];
  /** The state after a character of each kind; made when it is first needed. */
  next: (State | undefined)[];
};

/** The states from which no match was found in a text, each with its place: `place + (length of the text + 1) x number`. */
export type DeadEnds = Set<number>;

/** Looking further than this beyond a match, in characters, is remembered where it was in vain. */
const FAR = 32;

/**
 * Matches all expressions at once, as generators of scanners do: a state is looked up for each character. States are made
 * when they are first needed, and kept; captions need some hundreds of those that there could be.
 *
 * All places of a text together take time in proportion to its length: a state from which no match was found is remembered
 * with its place, so that an expression which looks far ahead does so in vain once.
 *
 * @see Reps 1998, "Maximal-munch" tokenization in linear time, https://doi.org/10.1145/276393.276394
 * @param sources - of regular expressions, as `automatonOf` reads them; they match single UTF-16 code units
 */
export function longestMatch(sources: readonly string[]): (text: string, place: number, deadEnds: DeadEnds) => Match {
  const { characters, follow, completes } = automatonOf(sources);
  const kinds = characterKinds(characters);
  const states = new Map<string, State>();

  const stateOf = (positions: number[]): State => {
    const key = positions.join();
    let state = states.get(key);
    if (!state) {
      const complete = positions.flatMap((position) => completes[position] ?? []);
      state = {
        number: states.size,
        expression: complete.length > 0 ? Math.min(...complete) : -1,
        follow: [...new Set(positions.flatMap((position) => follow[position]!))].sort((a, b) => a - b),
        next: [],
      };
      states.set(key, state);
    }
    return state;
  };

  const stateAfter = (state: State, code: number): State => {
    const kind = kinds.of(code);
    let next = state.next[kind];
    if (!next) {
      next = stateOf(state.follow.filter((position) => kinds.matches(kind, position)));
      state.next[kind] = next;
    }
    return next;
  };

  const start = stateOf([0]);
  const nowhere = stateOf([]);
  const passed: State[] = [];
  return (text, place, deadEnds) => {
    let length = 0;
    let expression = -1;
    let state = start;
    let end = place;
    while (end < text.length) {
      state = stateAfter(state, text.charCodeAt(end++));
      passed[end] = state;
      if (state.expression >= 0) {
        length = end - place;
        expression = state.expression;
      } else if (
        state === nowhere ||
        (end - place - length > FAR && deadEnds.has(end + (text.length + 1) * state.number))
      )
        break;
    }
    for (let far = place + length + FAR + 1; far <= end; far++)
      deadEnds.add(far + (text.length + 1) * passed[far]!.number);
    return { length, expression };
  };
}

/** Characters that no expression tells apart are of one kind; kinds are numbered from 1 as characters are seen. */
function characterKinds(characters: readonly string[]) {
  const sources = [...new Set(characters)];
  const patterns = sources.map((source) => new RegExp(source, 'u'));
  const sourceAt = characters.map((source) => sources.indexOf(source));
  const numbers = new Map<string, number>();
  const matching: boolean[][] = [];
  const seen = new Uint16Array(0x10000);

  const see = (code: number): number => {
    const character = String.fromCharCode(code);
    const matches = patterns.map((pattern) => pattern.test(character));
    const key = matches.map(Number).join('');
    const kind = numbers.get(key) ?? numbers.size + 1;
    numbers.set(key, kind);
    matching[kind] = matches;
    seen[code] = kind;
    return kind;
  };

  return {
    of: (code: number) => seen[code] || see(code),
    matches: (kind: number, position: number) => matching[kind]![sourceAt[position]!]!,
  };
}
