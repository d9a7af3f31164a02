/** Captions that cannot be scored, or a metric that does not exist; the message names the caption and the remedy. */
export class ScoringError extends Error {
  override readonly name = 'ScoringError';
}
