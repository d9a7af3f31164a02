import type { TrainStep } from '../training/train';
import { duration } from './progress';

/** Loss and speed of a training, as one line. */
export class Meter {
  private sum = 0;
  private count = 0;
  private smooth: number | undefined;
  private readonly times: number[] = [];

  line(step: TrainStep): string {
    this.sum += step.crossEntropy;
    this.count++;
    this.smooth = this.smooth === undefined ? step.crossEntropy : 0.98 * this.smooth + 0.02 * step.crossEntropy;
    this.times.push(performance.now());
    if (this.times.length > 50) this.times.shift();
    const each = (this.times.at(-1)! - this.times[0]!) / 1000 / Math.max(1, this.times.length - 1);
    return [
      `epoch ${step.epoch}`,
      `step ${step.step}/${step.totalSteps}`,
      `loss ${this.smooth.toFixed(3)}`,
      `rate ${step.learningRate.toExponential(1)}`,
      `${each.toFixed(2)} s a step`,
      `${Math.round(process.memoryUsage.rss() / 2 ** 20)} MB`,
      `${duration(each * (step.totalSteps - step.step))} left`,
    ].join(', ');
  }

  /** Mean cross-entropy of the epoch so far, in nats per word. */
  get epochLoss(): number {
    return this.sum / this.count;
  }

  nextEpoch(): void {
    this.sum = 0;
    this.count = 0;
    this.times.length = 0;
  }
}
