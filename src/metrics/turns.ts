/** Milliseconds of work between two turns: short enough for a page to stay alive, long enough to cost nothing. */
const TURN = 50;

/**
 * Lets others have a turn in the middle of long work: `due()` after every piece of it, and where that is true,
 * `await take()`, which reports how many pieces are done and throws the signal's reason where the work should stop.
 */
export function takingTurns(report: (done: number) => void, signal?: AbortSignal) {
  let [done, last] = [0, performance.now()];
  signal?.throwIfAborted();
  return {
    due(): boolean {
      done++;
      return performance.now() - last > TURN;
    },
    /** Counts pieces that were done elsewhere. */
    add(pieces: number): void {
      done += pieces;
      report(done);
    },
    async take(): Promise<void> {
      report(done);
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
      last = performance.now();
    },
  };
}
