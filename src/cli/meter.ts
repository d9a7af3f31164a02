import type { TrainStep } from '../training/train';
import { duration } from './progress';

/** Loss or reward and speed of a training, as one line. */
export class Meter {
  private losses = 0;
  private rewards = 0;
  private count = 0;
  private smooth = 0;
  private seen = 0;
  private readonly times: number[] = [];

  line(step: TrainStep): string {
    const { reward } = step.figures;
    const shown = reward ?? step.crossEntropy;
    this.losses += step.crossEntropy;
    this.rewards += reward ?? 0;
    this.count++;
    const share = Math.max(0.02, 1 / ++this.seen); // the mean of the first fifty, then a moving one
    this.smooth += share * (shown - this.smooth);
    this.times.push(performance.now());
    if (this.times.length > 50) this.times.shift();
    const timed = this.times.length - 1; // none at the first step and after a validation
    const each = (this.times.at(-1)! - this.times[0]!) / 1000 / timed;
    return [
      `epoch ${step.epoch}`,
      `step ${step.step}/${step.totalSteps}`,
      `${reward === undefined ? 'loss' : 'reward'} ${this.smooth.toFixed(3)}`,
      `rate ${step.learningRate.toExponential(1)}`,
      ...(timed > 0 ? [`${each.toFixed(2)} s a step`] : []),
      `${Math.round(process.memoryUsage.rss() / 2 ** 20)} MB`,
      ...(timed > 0 ? [`${duration(each * (step.totalSteps - step.step))} left`] : []),
    ].join(', ');
  }

  /** Mean loss of the epoch so far: cross-entropy in nats per word, or what the objective has. */
  get epochLoss(): number {
    return this.losses / this.count;
  }

  /** Mean reward of the epoch so far, 0 without one. */
  get epochReward(): number {
    return this.rewards / this.count;
  }

  nextEpoch(): void {
    this.losses = 0;
    this.rewards = 0;
    this.count = 0;
    this.times.length = 0;
  }
}
