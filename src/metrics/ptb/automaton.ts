/**
 * Regular expressions as one automaton (Glushkov's): a position for each character that an expression looks for, and from
 * each position those that can follow. All ways through all expressions are walked at once, so that no text is read twice.
 */
export type Automaton = {
  /** What a position looks for: the source of a regular expression for one character. Position 0 is before the first. */
  characters: string[];
  /** The positions that can follow a position. */
  follow: number[][];
  /** The number of the expression that is complete at a position. */
  completes: (number | undefined)[];
};

/** Where an expression can begin and end, and whether it can be left out. */
type Part = { first: number[]; last: number[]; optional: boolean };

/** Gives an expression its positions, new ones at each call. */
type Build = () => Part;

const NOTHING: Part = { first: [], last: [], optional: true };
const CHARACTER = /\[(?:\\.|[^\]\\])*\]|\\(?:u[0-9a-f]{4}|p\{\w+\}|[tn\W])|[^()|*+?{}[\]\\^$]/y;
const REPETITION = /(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/y;

/**
 * Reads sources of regular expressions: characters, classes, escapes, groups, `|`, `*`, `+`, `?` and `{m,n}`. Whether a
 * repetition is lazy makes no difference to an automaton.
 *
 * @throws SyntaxError for what it cannot read
 */
export function automatonOf(sources: readonly string[]): Automaton {
  const automaton: Automaton = { characters: [''], follow: [[]], completes: [undefined] };
  for (const [index, source] of sources.entries()) {
    const { first, last } = parse(source, automaton)();
    automaton.follow[0]!.push(...first);
    for (const position of last) automaton.completes[position] = index;
  }
  return automaton;
}

function parse(source: string, { characters, follow, completes }: Automaton): Build {
  let at = 0;

  const read = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    at += match?.[0].length ?? 0;
    return match;
  };

  const link = (before: Part, after: Part) => {
    for (const position of before.last) follow[position]!.push(...after.first);
  };

  const join = (a: Part, b: Part): Part => {
    link(a, b);
    return {
      first: a.optional ? [...a.first, ...b.first] : a.first,
      last: b.optional ? [...a.last, ...b.last] : b.last,
      optional: a.optional && b.optional,
    };
  };

  const alternatives = (): Build => {
    const builds = [sequence()];
    while (read(/\|/y)) builds.push(sequence());
    return () => {
      const parts = builds.map((build) => build());
      return {
        first: parts.flatMap(({ first }) => first),
        last: parts.flatMap(({ last }) => last),
        optional: parts.some(({ optional }) => optional),
      };
    };
  };

  const sequence = (): Build => {
    const builds: Build[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') builds.push(repeated());
    return () => builds.reduce((part, build) => join(part, build()), NOTHING);
  };

  const repeated = (): Build => {
    const build = atom();
    const repetition = read(REPETITION);
    if (!repetition) return build;
    const [, sign, atLeast, open, atMost] = repetition;
    const least = sign ? Number(sign === '+') : Number(atLeast);
    const endless = sign ? sign !== '?' : open !== undefined && atMost === '';
    const copies = endless ? Math.max(1, least) : sign ? 1 : Number(atMost ?? atLeast);
    return () => {
      let whole = NOTHING;
      for (let count = 1; count <= copies; count++) {
        const part = build();
        if (endless && count === copies) link(part, part);
        whole = join(whole, { ...part, optional: part.optional || count > least });
      }
      return whole;
    };
  };

  const atom = (): Build => {
    if (read(/\((?:\?:)?/y)) {
      const build = alternatives();
      if (!read(/\)/y)) throw new SyntaxError(`${source}: a group is not closed.`);
      return build;
    }
    const character = read(CHARACTER)?.[0];
    if (character === undefined) throw new SyntaxError(`${source}: '${source.slice(at)}' cannot be read here.`);
    return () => {
      const position = characters.push(character) - 1;
      follow.push([]);
      completes.push(undefined);
      return { first: [position], last: [position], optional: false };
    };
  };

  const build = alternatives();
  if (at < source.length) throw new SyntaxError(`${source}: '${source.slice(at)}' is left over.`);
  return build;
}
