/** Which live hypothesis of which search a row of the batch is. */
export type RowSource = { search: number; index: number };

/** Rows of one step: `perPicture` for each of the pictures that are still searched, in order. */
export type RowLayout = {
  pictures: readonly number[];
  perPicture: number;
  rows: readonly RowSource[];
  rowOf: (search: number, index: number) => number;
};

/**
 * Lays live hypotheses out so that every picture has equally many rows: where it has fewer hypotheses than another, its
 * first one stands there again and is not looked at. A picture with none has no rows.
 */
export function layOut(searches: readonly { live: ArrayLike<unknown> }[], copies: number): RowLayout {
  const byPicture = new Map<number, RowSource[]>();
  searches.forEach(({ live }, search) => {
    const picture = Math.floor(search / copies);
    const sources = byPicture.get(picture) ?? [];
    for (let index = 0; index < live.length; index++) sources.push({ search, index });
    if (sources.length > 0) byPicture.set(picture, sources);
  });
  const perPicture = Math.max(0, ...[...byPicture.values()].map(({ length }) => length));
  const rows: RowSource[] = [];
  const begins = new Map<number, number>(); // the row where a search begins
  for (const sources of byPicture.values()) {
    for (const [i, { search, index }] of sources.entries()) if (index === 0) begins.set(search, rows.length + i);
    const repeats = Array.from({ length: perPicture - sources.length }, () => sources[0]!);
    rows.push(...sources, ...repeats);
  }
  return {
    pictures: [...byPicture.keys()],
    perPicture,
    rows,
    rowOf: (search, index) => begins.get(search)! + index,
  };
}
