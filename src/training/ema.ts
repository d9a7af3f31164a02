import * as tf from '@tensorflow/tfjs';
import { UsageError } from '../core/errors';
import type { Parameters } from './gradients';
import type { Optimizer } from './optimizers';

/** An optimizer that also keeps a moving average of every parameter that it changes. */
export type AveragingOptimizer = Optimizer & {
  /**
   * Puts the averages in the place of the parameters while `body` runs, to evaluate or save with them, and the parameters
   * back after it. Snapshots for resuming belong outside: they hold both.
   */
  withAverages<T>(parameters: Parameters, body: () => Promise<T>): Promise<T>;
};

/**
 * Keeps an exponential moving average of the parameters (Polyak averaging): after step t it moves towards the parameters by
 * 1 - decay, where decay is at most (1 + t) / (10 + t), so that the first steps do not hang on to the beginning. It is kept
 * with the optimizer's state, so that a resumed training has it.
 *
 * @param decay - such as 0.999: about the last thousand steps count
 * @see Polyak and Juditsky 1992, https://doi.org/10.1137/0330046; the warm-up is that of TensorFlow's ExponentialMovingAverage
 */
export function averaging(optimizer: Optimizer, { decay }: { decay: number }): AveragingOptimizer {
  if (!(decay > 0 && decay < 1))
    throw new UsageError(`decay is ${decay} but should be between 0 and 1, such as 0.999.`);
  const averages = new Map<string, { average: tf.Tensor; steps: number }>();
  const disposeAverages = () => {
    for (const { average } of averages.values()) average.dispose();
    averages.clear();
  };
  return {
    learningRate: optimizer.learningRate,
    apply(parameters, grads, scale, clip) {
      const begun = [...grads.keys()].filter((name) => !averages.has(name));
      for (const name of begun) averages.set(name, { average: keptCopy(parameters.get(name)!), steps: 0 });
      optimizer.apply(parameters, grads, scale, clip);
      for (const name of grads.keys()) {
        const { average, steps } = averages.get(name)!;
        const step = steps + 1;
        const share = 1 - Math.min(decay, (1 + step) / (10 + step));
        const moved = tf.tidy(() =>
          tf.keep(tf.add(average, tf.mul(tf.sub(parameters.get(name)!, average), share)) as tf.Tensor),
        );
        average.dispose();
        averages.set(name, { average: moved, steps: step });
      }
    },
    async state() {
      const kept = await optimizer.state();
      for (const [name, { average, steps }] of averages)
        kept.set(`${name}#average`, average.clone()).set(`${name}#averaged`, tf.scalar(steps));
      return kept;
    },
    async restore(state) {
      const isAverage = (key: string) => key.endsWith('#average') || key.endsWith('#averaged');
      await optimizer.restore(new Map([...state].filter(([key]) => !isAverage(key))));
      disposeAverages();
      for (const [key, tensor] of state) {
        if (!key.endsWith('#average')) continue;
        const name = key.slice(0, -'#average'.length);
        const [steps] = (await state.get(`${name}#averaged`)!.data()) as Float32Array;
        averages.set(name, { average: keptCopy(tensor), steps: steps! });
      }
    },
    dispose() {
      optimizer.dispose();
      disposeAverages();
    },
    async withAverages(parameters, body) {
      const current = new Map<string, tf.Tensor>();
      for (const [name, { average }] of averages) {
        const parameter = parameters.get(name)!;
        current.set(name, keptCopy(parameter));
        parameter.assign(average);
      }
      try {
        return await body();
      } finally {
        for (const [name, before] of current) parameters.get(name)!.assign(before);
        tf.dispose([...current.values()]);
      }
    },
  };
}

/** A tensor of its own with these values, whatever tidy is around. A clone of a variable would change with it no more either. */
function keptCopy(tensor: tf.Tensor): tf.Tensor {
  return tf.keep(tensor.clone());
}
