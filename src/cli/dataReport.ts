import type { CleaningReport } from '../data/cleaning';
import type { Leak } from '../data/leaks';
import type { CaptionData, Problem, Split } from '../data/types';
import type { PictureFinding } from '../node/pictureChecks';

export type SplitSummary = {
  pictures: number;
  captions: number;
  words: number;
  captionsPerPicture: { least: number; mean: number; most: number };
};

/** What `data check --json` prints. */
export type DataReport = {
  layout: string;
  splitSource: CaptionData['splitSource'];
  /** What the files hold, before anything was left out. */
  found: CaptionData['found'];
  splits: Record<Split, SplitSummary>;
  /** `size` includes the special tokens; `known` is the share of the training captions' words that it holds. */
  vocabulary: { minCount: number; size: number; known: number };
  /** How many pictures were decoded; absent where that was not asked for. */
  picturesDecoded?: number;
  /** Pictures that cleaning would leave out; absent where they were not looked at. */
  pictures?: PictureFinding[];
  /** Captions that cleaning would leave out, by split; absent where that was not asked for. */
  cleaning?: Record<Split, CleaningReport>;
  /** Pictures that are in two splits; absent where that was not asked for. */
  leaks?: Leak[];
  problems: readonly Problem[];
};

export const splitNames: readonly Split[] = ['train', 'dev', 'test'];

/** The report as people read it. */
export function describeReport(report: DataReport): string {
  const { layout, splitSource, found, splits, vocabulary, picturesDecoded, problems } = report;
  const perPicture = ({ least, mean, most }: SplitSummary['captionsPerPicture']) =>
    least === most ? `${least}` : `${least} to ${most}, mean ${mean.toFixed(2)}`;
  const rows = [
    ['split', 'pictures', 'captions', 'words', 'captions per picture'],
    ...splitNames.map((split) => {
      const { pictures, captions, words, captionsPerPicture } = splits[split];
      return [split, `${pictures}`, `${captions}`, `${words}`, perPicture(captionsPerPicture)];
    }),
  ];
  const known = (100 * vocabulary.known).toFixed(1);
  const splitting = splitSource === 'files' ? 'splits as the data says' : 'no splits in the data, split by seed';
  return [
    `Recognised ${layout}; ${splitting}.`,
    `Found ${counted(found.captions, 'caption')} of ${counted(found.pictures, 'picture')}; of these can be used:`,
    '',
    ...table(rows),
    '',
    vocabulary.size === 0
      ? `Vocabulary: no word occurs ${vocabulary.minCount} times in train.`
      : `Vocabulary: ${vocabulary.size} entries (words that occur ${vocabulary.minCount} times or more in train, ` +
        `${known} % of its words, and the special ones).`,
    ...(picturesDecoded === undefined ? [] : [`Decoded ${counted(picturesDecoded, 'picture')}.`]),
    ...listed(report.pictures, 'No picture is odd.', 'odd picture', ({ id, kind, why }) => [id, `${kind}: ${why}`]),
    ...(report.cleaning ? describeCleaning(report.cleaning) : []),
    ...listed(report.leaks, 'No picture is in two splits.', 'leak', ({ first, second, kind, distance }) => [
      `${first.part} ${first.id}`,
      `${kind === 'id' ? 'is called the same as' : `looks like (${distance} of 128 bits apart)`} ${second.part} ${second.id}`,
    ]),
    ...listed(problems, 'No problems.', 'problem', ({ where, problem }) => [where, problem]),
    '',
  ].join('\n');
}

function describeCleaning(cleaning: Record<Split, CleaningReport>): string[] {
  const reports = splitNames.map((split) => ({ split, ...cleaning[split] }));
  return reports.flatMap(({ split, captions, kept, picturesLeftOut, dropped }) => {
    if (captions === 0) return [];
    const rows = dropped.filter(({ count }) => count > 0);
    return [
      `Cleaning would keep ${kept} of ${counted(captions, 'caption')} of ${split}, and leave out ${counted(picturesLeftOut, 'picture')} whole:`,
      ...table(
        rows.map(({ rule, count, examples }) => [
          `  ${rule}`,
          `${count}`,
          examples[0] ? `${examples[0].id} ${JSON.stringify(shortened(examples[0].caption))} ${examples[0].why}` : '',
        ]),
      ),
    ];
  });
}

function listed<T>(items: readonly T[] | undefined, none: string, what: string, row: (item: T) => string[]): string[] {
  if (items === undefined) return [];
  if (items.length === 0) return [none];
  const rows = items.map((item) => row(item).map((cell, column) => (column === 0 ? `  ${cell}` : cell)));
  return [`${counted(items.length, what)}:`, ...table(rows)];
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
const shortened = (text: string) => (text.length > 60 ? `${text.slice(0, 57)}...` : text);

/** Lines with the columns aligned. */
function table(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    rows.reduce((most, row) => Math.max(most, Math.min(80, row[column]!.length)), 0),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
