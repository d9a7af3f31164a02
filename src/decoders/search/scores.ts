import type { Effect } from './processors';

/** Scores of what may come next: of all tokens in order, or, where `tokens` are given, of those. */
export type Scores = { readonly tokens?: ArrayLike<number>; readonly values: Float64Array };

/** Carries out what processors want, one after the other, in place. Tokens that are not among the scores are passed over. */
export function applyEffects(effects: readonly Effect[], { tokens, values }: Scores): void {
  let places: Map<number, number> | undefined;
  const placeOf = (token: number): number | undefined => {
    if (!tokens) return token < values.length ? token : undefined;
    places ??= new Map(Array.from(tokens, (each, place) => [each, place]));
    return places.get(token);
  };
  for (const effect of effects) {
    if ('bar' in effect) {
      for (const token of effect.bar) {
        const place = placeOf(token);
        if (place !== undefined) values[place] = -Infinity;
      }
    } else if ('change' in effect) {
      for (const [token, change] of effect.change) {
        const place = placeOf(token);
        if (place !== undefined) values[place] = change(values[place]!);
      }
    } else if ('only' in effect) {
      const kept: [number, number][] = [];
      for (const token of effect.only) {
        const place = placeOf(token);
        if (place !== undefined) kept.push([place, effect.score ?? values[place]!]);
      }
      values.fill(-Infinity);
      for (const [place, value] of kept) values[place] = value;
    } else effect.all(values);
  }
}

/** What effects need to know beside the likeliest tokens: scores of `changed`, and as many more as are `barred`. */
export type Needs = { changed: Set<number>; barred: Set<number>; all: boolean };

export function needsOf(effects: readonly Effect[]): Needs {
  const needs: Needs = { changed: new Set(), barred: new Set(), all: false };
  for (const effect of effects) {
    if ('bar' in effect) for (const token of effect.bar) needs.barred.add(token);
    else if ('change' in effect) for (const token of effect.change.keys()) needs.changed.add(token);
    else if ('only' in effect) for (const token of effect.only) needs.changed.add(token);
    else needs.all = true;
  }
  return needs;
}

/** The places of the `count` largest values, largest first; of equals, the earlier one. -Infinity is passed over. */
export function largest(values: ArrayLike<number>, count: number): number[] {
  if (count * 8 >= values.length)
    return Array.from(values, (_, place) => place)
      .filter((place) => values[place]! > -Infinity)
      .sort((a, b) => values[b]! - values[a]! || a - b)
      .slice(0, count);
  const best: number[] = [];
  let least = -Infinity;
  for (let place = 0; place < values.length; place++) {
    const value = values[place]!;
    if (!(value > least)) continue;
    let at = best.length;
    while (at > 0 && values[best[at - 1]!]! < value) at--;
    best.splice(at, 0, place);
    if (best.length > count) best.pop();
    if (best.length === count) least = values[best[count - 1]!]!;
  }
  return best;
}
