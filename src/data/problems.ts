import type { Problem } from './types';

/** Problems that are kept by name; further ones are counted. A file of another format may have one in every row. */
const MOST = 100_000;

/** Problems in the order in which they were found. */
export class ProblemList {
  private readonly kept: Problem[] = [];
  private left = 0;

  /** @param onProblem - told each one when it is found */
  constructor(private readonly onProblem?: (problem: Problem) => void) {}

  report(where: string, problem: string): void {
    this.onProblem?.({ where, problem });
    if (this.kept.length < MOST) this.kept.push({ where, problem });
    else this.left++;
  }

  get first(): Problem | undefined {
    return this.kept[0];
  }

  all(): readonly Problem[] {
    if (this.left === 0) return this.kept;
    return [...this.kept, { where: 'in all', problem: `there are ${this.left} further problems` }];
  }
}
