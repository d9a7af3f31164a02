import { largest } from './scores';

/**
 * Reshapes the scores [vocabSize] from which a token is drawn, in place; -Infinity for what may not be drawn. All are as in
 * transformers' warpers of the same names; `keep` is the number of tokens that are never taken away.
 *
 * @see https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/generation/logits_process.py
 */
export type Warper = (scores: Float64Array) => void;

export const temperatureWarper =
  (temperature: number): Warper =>
  (scores) => {
    for (let i = 0; i < scores.length; i++) scores[i]! /= temperature;
  };

/** The `count` best, and what equals the last of them. @see Fan et al. 2018, https://arxiv.org/abs/1805.04833 */
export const topKWarper =
  (count: number, keep = 1): Warper =>
  (scores) => {
    const best = largest(scores, Math.max(count, keep));
    if (best.length < Math.max(count, keep)) return;
    const least = scores[best.at(-1)!]!;
    retain(scores, (place) => scores[place]! >= least);
  };

/** The smallest set of the best whose mass reaches `mass`. @see Holtzman et al. 2020, https://arxiv.org/abs/1904.09751 */
export const topPWarper =
  (mass: number, keep = 1): Warper =>
  (scores) => {
    retainMass(scores, scores, softmax(scores), mass, keep);
  };

/** Tokens with at least `share` of the probability of the best. @see Nguyen et al. 2024, https://arxiv.org/abs/2407.01082 */
export const minPWarper =
  (share: number, keep = 1): Warper =>
  (scores) => {
    const probabilities = softmax(scores);
    const best = largest(scores, Math.max(1, keep));
    const least = share * probabilities[best[0]!]!;
    const kept = new Set(best.slice(0, keep));
    retain(scores, (place) => kept.has(place) || probabilities[place]! >= least);
  };

/**
 * The tokens whose surprise is nearest to the expected one, until they hold `mass`.
 *
 * @see Meister et al. 2023, https://arxiv.org/abs/2202.00666
 */
export const typicalWarper =
  (mass: number, keep = 1): Warper =>
  (scores) => {
    const probabilities = softmax(scores);
    const expected = entropy(probabilities);
    const nearness = probabilities.map((p) => -Math.abs(-Math.log(p) - expected));
    retainMass(scores, nearness, probabilities, mass, keep);
  };

/** Tokens of at least this probability. @see Hewitt et al. 2022, https://arxiv.org/abs/2210.15191 */
export const epsilonWarper =
  (epsilon: number, keep = 1): Warper =>
  (scores) => {
    const probabilities = softmax(scores);
    retainLikely(scores, probabilities, epsilon, keep);
  };

/** As `epsilonWarper`, with a bound that falls where the model is unsure: min(epsilon, sqrt(epsilon) exp(-entropy)). */
export const etaWarper =
  (epsilon: number, keep = 1): Warper =>
  (scores) => {
    const probabilities = softmax(scores);
    const bound = Math.min(epsilon, Math.sqrt(epsilon) * Math.exp(-entropy(probabilities)));
    retainLikely(scores, probabilities, bound, keep);
  };

/** Takes away the places of too little probability, but never any of the `keep` best. */
function retainLikely(scores: Float64Array, probabilities: Float64Array, bound: number, keep: number): void {
  const best = largest(scores, keep);
  const least = best.length < keep ? -Infinity : scores[best.at(-1)!]!;
  retain(scores, (place) => probabilities[place]! >= bound || scores[place]! >= least);
}

/** Places that are looked at before all are sorted: most often they hold enough. */
const FIRST_LOOK = 256;

/** Keeps the places of the largest `ranks` until they hold `mass`, and `keep` of them anyway. */
function retainMass(
  scores: Float64Array,
  ranks: Float64Array,
  probabilities: Float64Array,
  mass: number,
  keep: number,
): void {
  for (const count of [Math.max(FIRST_LOOK, keep), scores.length]) {
    const kept = new Set<number>();
    let held = 0;
    for (const place of largest(ranks, count)) {
      if (kept.size >= keep && held >= mass) break;
      kept.add(place);
      held += probabilities[place]!;
    }
    if (kept.size === count && count < scores.length) continue;
    retain(scores, (place) => kept.has(place));
    return;
  }
}

function retain(scores: Float64Array, stays: (place: number) => boolean): void {
  const gone: number[] = [];
  for (let place = 0; place < scores.length; place++) if (!stays(place)) gone.push(place);
  for (const place of gone) scores[place] = -Infinity;
}

function softmax(scores: Float64Array): Float64Array {
  let top = -Infinity;
  for (const score of scores) if (score > top) top = score;
  const masses = scores.map((score) => Math.exp(score - top));
  let total = 0;
  for (const mass of masses) total += mass;
  return masses.map((mass) => mass / total);
}

/** In nats. */
function entropy(probabilities: Float64Array): number {
  let sum = 0;
  for (const p of probabilities) if (p > 0) sum -= p * Math.log(p);
  return sum;
}
