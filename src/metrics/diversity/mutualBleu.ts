import { type BleuName, bleuScores, bleuStatistics } from '../bleu';
import { mean, type Tokens } from '../metric';

/**
 * mBLEU (self-BLEU) of one image's captions: the mean BLEU of each against all others as references. The lower, the more
 * diverse. A single caption, which the reference cannot score, is measured against itself, as if it had been generated
 * twice; no caption at all has 0.
 *
 * @see Shetty et al. 2017, https://arxiv.org/abs/1703.10476
 */
export function mutualBleu(captions: readonly Tokens[]): Record<BleuName, number> {
  const statistics = captions.map((caption, index) =>
    bleuStatistics(caption, captions.length > 1 ? captions.filter((_, other) => other !== index) : captions),
  );
  const segments = statistics.length > 0 ? bleuScores(statistics).segments : [];
  const meanOf = (name: BleuName) => (segments.length > 0 ? mean(segments.map((scores) => scores[name])) : 0);
  return {
    'BLEU-1': meanOf('BLEU-1'),
    'BLEU-2': meanOf('BLEU-2'),
    'BLEU-3': meanOf('BLEU-3'),
    'BLEU-4': meanOf('BLEU-4'),
  };
}
