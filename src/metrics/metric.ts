import { ScoringError } from './errors';

/** The tokens of one caption, as `tokenizeCaption` gives them. */
export type Tokens = readonly string[];

/** What a metric says about a corpus and, in the order of `update`, about each caption of it. */
export type Scores<Name extends string, Detail = never> = {
  corpus: Record<Name, number>;
  segments: Record<Name, number>[];
  /** The counts behind each segment's scores, of metrics that have them, under the name they have in results. */
  details?: Record<string, Detail>[];
};

/**
 * Fed caption by caption, asked once. The state is plain JSON, one entry per caption, so that shards of a corpus can be
 * measured apart: `whole.merge(shard.state())` adds the shard's captions after those already there.
 */
export interface Metric<Result, Segment> {
  /** @throws ScoringError where there is no reference */
  update(candidate: Tokens, references: readonly Tokens[]): void;
  /** Scores of all captions so far; may be called at any time. @throws ScoringError where there are none */
  compute(): Result;
  state(): Segment[];
  merge(state: readonly Segment[]): void;
}

/** A metric out of its two pure halves: what is kept of one caption, and what follows from all that was kept. */
export function accumulate<Result, Segment>(
  measure: (candidate: Tokens, references: readonly Tokens[]) => Segment,
  score: (segments: readonly Segment[]) => Result,
): Metric<Result, Segment> {
  const segments: Segment[] = [];
  return {
    update(candidate, references) {
      if (references.length === 0)
        throw new ScoringError(`Caption ${segments.length} has no references; every candidate needs at least one.`);
      segments.push(measure(candidate, references));
    },
    compute() {
      if (segments.length === 0) throw new ScoringError('There are no captions to score. Call update() first.');
      return score(segments);
    },
    state: () => [...segments],
    merge(state) {
      for (const segment of state) segments.push(segment);
    },
  };
}

/** The mean of at least one number. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
