import * as tf from '@tensorflow/tfjs';
import { DataError, expectPositive } from '../core/errors';
import { ownKernel } from '../core/ownKernel';
import type { Gradients, Parameters } from './gradients';

/** Changes parameters by their gradients. What it keeps from step to step goes by parameter name. */
export interface Optimizer {
  /** The rate that schedules scale. */
  readonly learningRate: number;
  /**
   * Applies one step; `scale(name)` multiplies the learning rate of that parameter. Gradients stay the caller's.
   *
   * @param clip - multiplies every gradient, as `clipFactor` gives it
   */
  apply(parameters: Parameters, grads: Gradients, scale: (name: string) => number, clip?: tf.Scalar): void;
  /** What must be kept to go on later, all float32; the tensors belong to the caller. */
  state(): Promise<Map<string, tf.Tensor>>;
  /** Takes back a kept state; the tensors stay the caller's. */
  restore(state: ReadonlyMap<string, tf.Tensor>): Promise<void>;
  dispose(): void;
}

export type AdamOptions = { beta1?: number; beta2?: number; epsilon?: number };

/** `weightDecay` is one for all parameters, or tells that of a name, as `decayExcept` does. */
export type AdamWOptions = AdamOptions & { weightDecay?: number | ((name: string) => number) };

/**
 * Adam with decoupled weight decay, as `torch.optim.AdamW`: p -= rate * weightDecay * p before Adam's step.
 * Moments and step counts belong to parameter names: one that the loss did not touch keeps its own.
 *
 * @see Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101, algorithm 2
 */
export function adamW(learningRate: number, options: AdamWOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 } = options;
  expectPositive('learningRate', learningRate);
  const moments = new Map<string, { of: Moments; step: number }>();

  return {
    learningRate,
    apply(parameters, grads, scale, clip) {
      for (const [name, gradient] of grads) {
        const parameter = parameters.get(name)!;
        const rate = learningRate * scale(name);
        const decay = typeof weightDecay === 'number' ? weightDecay : weightDecay(name);
        const before = moments.get(name);
        const step = (before?.step ?? 0) + 1;
        const [unbias, unbiasSquare] = [1 - beta1 ** step, Math.sqrt(1 - beta2 ** step)];
        // rate / unbias * first / (sqrt(second) / unbiasSquare + epsilon), with one pass less
        const numbers: AdamNumbers = {
          ...{ beta1, beta2, share: 1 - beta1, squareShare: 1 - beta2 },
          ...{ kept: 1 - rate * decay, rate: (rate * unbiasSquare) / unbias, epsilon: epsilon * unbiasSquare },
        };
        tf.tidy(() => {
          const given = { parameter, gradient, ...(clip && { clip }) };
          const whole = before && ownKernel('AdamStep', { ...given, ...before.of }, numbers);
          const [changed, first, second] = (whole as AdamResults | undefined) ?? adamStep(given, before?.of, numbers);
          tf.dispose(before?.of ?? {});
          moments.set(name, { of: { first: tf.keep(first), second: tf.keep(second) }, step });
          parameter.assign(changed);
        });
      }
    },
    async state() {
      const kept = new Map<string, tf.Tensor>();
      for (const [name, { of, step }] of moments) {
        kept.set(`${name}#first`, of.first.clone()).set(`${name}#second`, of.second.clone());
        kept.set(`${name}#step`, tf.scalar(step));
      }
      return kept;
    },
    async restore(state) {
      this.dispose();
      for (const key of state.keys()) {
        if (!key.endsWith('#step')) continue;
        const name = key.slice(0, -'#step'.length);
        const [first, second] = [state.get(`${name}#first`), state.get(`${name}#second`)];
        if (!first || !second) throw new DataError(`The optimizer's state lacks the moments of ${name}.`);
        const [step] = await state.get(key)!.data();
        moments.set(name, { of: { first: first.clone(), second: second.clone() }, step: step! });
      }
    },
    dispose() {
      for (const { of } of moments.values()) tf.dispose(of);
      moments.clear();
    },
  };
}

type Moments = Record<'first' | 'second', tf.Tensor>;
type AdamNumbers = Record<'beta1' | 'share' | 'beta2' | 'squareShare' | 'kept' | 'rate' | 'epsilon', number>;
type AdamResults = [parameter: tf.Tensor, first: tf.Tensor, second: tf.Tensor];

/** What the own kernel `AdamStep` is, by operations of tfjs. The moments before it are gone after it. */
function adamStep(
  { parameter, gradient, clip }: { parameter: tf.Tensor; gradient: tf.Tensor; clip?: tf.Scalar },
  before: Moments | undefined,
  { beta1, share, beta2, squareShare, kept, rate, epsilon }: AdamNumbers,
): AdamResults {
  const first = moment(before?.first, beta1, gradient, clip ? tf.mul(clip, share) : share);
  const square = tf.square(gradient);
  const second = moment(before?.second, beta2, square, clip ? tf.mul(tf.square(clip), squareShare) : squareShare);
  tf.dispose({ square, ...before });
  const move = chain(
    tf.sqrt(second),
    (root) => tf.add(root, epsilon),
    (deviation) => tf.div(first, deviation),
    (ratio) => tf.mul(ratio, rate),
  );
  return [tf.sub(kept === 1 ? parameter : tf.mul(parameter, kept), move), first, second];
}

/** before * decay + what comes * share */
function moment(before: tf.Tensor | undefined, decay: number, comes: tf.Tensor, share: tf.Tensor | number): tf.Tensor {
  return tf.tidy(() => {
    const added = tf.mul(comes, share);
    return before ? tf.add(tf.mul(before, decay), added) : added;
  });
}

/** One change after the other, each result freed as soon as the next is there: parameters may be large. */
function chain(start: tf.Tensor, ...changes: ((x: tf.Tensor) => tf.Tensor)[]): tf.Tensor {
  return changes.reduce((x, change) => {
    const changed = change(x);
    x.dispose();
    return changed;
  }, start);
}

/** Adam without weight decay (Kingma and Ba 2015, algorithm 1), as `torch.optim.Adam`. */
export function adam(learningRate: number, options: AdamOptions = {}): Optimizer {
  return adamW(learningRate, { ...options, weightDecay: 0 });
}

/**
 * A tfjs optimizer behind the same interface. Its moments go by position, so parameters that the loss did not touch
 * get a gradient of zeros here, or each later one would get its neighbour's moments.
 */
export function fromTfjs(optimizer: tf.Optimizer): Optimizer {
  return {
    learningRate: (optimizer as unknown as { learningRate: number }).learningRate,
    apply(parameters, grads, scale, clip) {
      const scales = new Set([...grads.keys()].map(scale));
      if (scales.size > 1 || !scales.has(1))
        throw new DataError(
          'A tfjs optimizer has one fixed rate for all parameters. For schedules, warm-up or an encoder rate of its own use adamW(rate).',
        );
      const given = (name: string) => {
        const gradient = grads.get(name);
        return gradient && clip ? tf.mul(gradient, clip) : gradient;
      };
      const filled = [...parameters].map(([name, variable]) => ({
        name: variable.name,
        tensor: given(name) ?? tf.zerosLike(variable),
      }));
      optimizer.applyGradients(filled);
      for (const [i, name] of [...parameters.keys()].entries())
        if (clip || !grads.has(name)) filled[i]!.tensor.dispose();
    },
    async state() {
      const kept = new Map<string, tf.Tensor>();
      for (const [i, { name, tensor }] of (await optimizer.getWeights()).entries()) {
        kept.set(`${i}#${name}`, tf.cast(tensor, 'float32'));
        if (!(tensor instanceof tf.Variable)) tensor.dispose(); // the step count, an int32 made anew by every call
      }
      return kept;
    },
    async restore(state) {
      const entries = [...state].map(([key, tensor]) => ({
        at: Number.parseInt(key, 10),
        name: key.slice(key.indexOf('#') + 1),
        tensor,
      }));
      await optimizer.setWeights(entries.sort((a, b) => a.at - b.at).map(({ name, tensor }) => ({ name, tensor })));
    },
    dispose: () => optimizer.dispose(),
  };
}
