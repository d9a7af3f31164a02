import { expectWhole, UsageError } from '../core/errors';

/** The factor on the learning rate at a step, which counts from 0, of `total` steps. */
export type Schedule = (step: number, total: number) => number;

/** Always 1 after a linear warm-up over `warmup` steps. */
export function constant({ warmup = 0 } = {}): Schedule {
  expectWhole('warmup', warmup, 0);
  return (step) => Math.min(1, (step + 1) / (warmup + 1));
}

/**
 * Half a cosine from 1 down to `floor`, after a linear warm-up over `warmup` steps.
 *
 * @see Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, equation 5, without restarts
 */
export function cosine({ warmup = 0, floor = 0 } = {}): Schedule {
  expectWhole('warmup', warmup, 0);
  if (!(floor >= 0 && floor <= 1)) throw new UsageError(`floor is ${floor} but should be within 0 and 1.`);
  return (step, total) => {
    if (step < warmup) return (step + 1) / (warmup + 1);
    const progress = Math.min(1, (step - warmup) / Math.max(1, total - warmup));
    return floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
}
