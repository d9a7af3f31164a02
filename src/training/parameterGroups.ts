import { expectPositive, UsageError } from '../core/errors';
import { expectNames, type NamePattern, namesOf } from './freeze';
import type { Parameters } from './gradients';
import type { Optimizer } from './optimizers';

/** Parameters by name, with a learning rate of their own. */
export type ParameterGroup = { match: NamePattern; learningRate: number };

/**
 * An optimizer with other learning rates for some parameters, such as a small one for what was trained before. Of several
 * groups that fit a name the first counts; names that none fits keep the optimizer's rate. Schedules scale all rates alike;
 * a rate of `train`'s `fineTune` scales those of the encoder once more.
 *
 * @throws UsageError for a rate that is not above zero, and in training for a group that fits no parameter
 */
export function withGroups(optimizer: Optimizer, groups: readonly ParameterGroup[]): Optimizer {
  for (const [index, { learningRate }] of groups.entries())
    expectPositive(`learningRate of group ${index}`, learningRate);
  let checked: Parameters | undefined;
  let rates = new Map<string, number>();
  const lookUp = (parameters: Parameters) => {
    if (checked === parameters) return;
    for (const { match } of groups) expectNames(parameters, match);
    const found = [...groups]
      .reverse()
      .flatMap(({ match, learningRate }) => namesOf(parameters, match).map((name) => [name, learningRate] as const));
    rates = new Map(found);
    checked = parameters;
  };
  const { learningRate } = optimizer;
  return {
    learningRate,
    apply(parameters, grads, scale, clip) {
      lookUp(parameters);
      const scaled = (name: string) => (scale(name) * (rates.get(name) ?? learningRate)) / learningRate;
      optimizer.apply(parameters, grads, scaled, clip);
    },
    state: () => optimizer.state(),
    restore: (state) => optimizer.restore(state),
    dispose: () => optimizer.dispose(),
  };
}

/**
 * What `adamW`'s `weightDecay` may be: no decay where a name fits, such as for biases and norms,
 * `decayExcept(0.01, /bias$|[nN]orm\./)`.
 */
export function decayExcept(weightDecay: number, pattern: NamePattern): (name: string) => number {
  if (!(weightDecay >= 0)) throw new UsageError(`weightDecay is ${weightDecay} but should be a number of at least 0.`);
  const patterns = [pattern].flat() as RegExp[];
  return (name) => (patterns.some((each) => name.search(each) >= 0) ? 0 : weightDecay);
}
