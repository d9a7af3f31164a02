/** Beginnings, insides and ends of what the tokenizer has rules for, and what it has none for. */
export const PIECES = [
  ...['a', 'A', 'é', 'Σ', '中', 'あ', 'a\u0301', '1', '0123', '٣', '½', '²', '₂', '⁄'],
  ...[
    "'",
    '’',
    '`',
    '"',
    '.',
    ',',
    ':',
    ';',
    '!',
    '?',
    '-',
    '--',
    '/',
    '\\/',
    '\\*',
    '*',
    '_',
    '+',
    '=',
    '^',
    '~',
    '|',
  ],
  ...['@', '#', '$', '%', '&', '€', '<', '>', '(', ')', '{', '[', '&amp;', '&apos;', '&lt;', '&gt;', '&eacute;', '&#1'],
  ...[' ', '\u00a0', '\t', '\n', '\u00ad', '\u2009', '\u3000', '\u0085', '\u2028', '\u001c'],
  ...['\u0000', '\u0001', '\u007f', '\u200b', '\u200d', '\u200e', '\u202e', '\u2066', '\ufeff', '\ufffe', '\uffff'],
  ...['\ud800', '\udc00', '😀', '👩‍👩‍👧', '👍🏽', '🇬🇷', '𝔘'],
  ...['.com', '.com/', '.org', 'www.', 'http://', '@a', 'a@', 'a@b', '.html', 'U.S.', 'Mr.', 'Inc.', 'no.', 'A.', 'é.'],
  ...[
    "n't",
    "'s",
    "d'a-",
    "y'",
    "'t",
    'cannot',
    'gonna',
    'S&P',
    'A&',
    'non-U.S',
    'a.b-',
    'a-b.',
    'a/b-',
    'x_',
    '-a',
    '.1',
  ],
  ...[
    '<b ',
    '<a b=',
    '<a b="',
    "<b a='",
    '<!a',
    '</b',
    '= ',
    'x. <!b',
    'x. The',
    'x. <b ',
    ':)',
    '. ',
    'a. ',
    'a,',
    '|a',
  ],
  ...['12-', '12/', '1,', '(12)', '555 ', '12.', '1/2 ', '+1'],
];

/** Any code units at all, pieces, long runs of one piece, or plain words among pieces. */
export function hostileString(random: () => number): string {
  const below = (limit: number) => Math.floor(limit * random());
  const piece = () => PIECES[below(PIECES.length)]!;
  const unit = () => String.fromCharCode(below(0x10000));
  const kinds = [
    () => Array.from({ length: below(24) }, unit),
    () => Array.from({ length: below(16) }, piece),
    () => [piece(), (piece() + piece()).repeat(below(12)), piece()],
    () => Array.from({ length: below(12) }, () => (below(2) === 0 ? ' dog ' : piece())),
  ];
  return kinds[below(kinds.length)]!().join('');
}

/**
 * Ways to make a string of any length in which rules can read far, and in vain, from many places: one piece again and again,
 * two in turn, or many of one and then many of the other; alone, or between what tags and addresses have at their ends.
 */
export function repetitions(random: () => number, pairs: number): ((length: number) => string)[] {
  const piece = () => PIECES[Math.floor(PIECES.length * random())]!;
  const repeat = (text: string) => (length: number) => text.repeat(Math.ceil(length / text.length));
  const halves = (a: string, b: string) => (length: number) => repeat(a)(length / 2) + repeat(b)(length / 2);
  const middles = [
    ...PIECES.map(repeat),
    ...Array.from({ length: pairs }, () => repeat(piece() + piece())),
    ...Array.from({ length: pairs }, () => halves(piece(), piece())),
    halves('1', 'Σ'),
  ];
  const ends = [
    ['', ''],
    ['', 'é'],
    ['', '>@.com/x'],
    ['<!a', '>'],
  ];
  return middles.flatMap((middle) =>
    ends.map(
      ([first, last]) =>
        (length: number) =>
          first + middle(length) + last,
    ),
  );
}
