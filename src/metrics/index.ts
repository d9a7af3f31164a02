export { type BleuName, type BleuScores, type BleuStatistics, bleu, bleuScores, bleuStatistics } from './bleu';
export { type CiderName, type CiderOptions, type CiderSegment, cider } from './cider';
export { type DocumentFrequencies, documentFrequencies } from './documentFrequencies';
export { ScoringError } from './errors';
export type { Metric, Scores, Tokens } from './metric';
export { type RougeLScores, rougeL, rougeLScore } from './rougeL';
export {
  type CaptionScores,
  type MetricName,
  type ScoredCaption,
  type ScoreOptions,
  type SegmentScores,
  scoreCaptions,
} from './scoreCaptions';
export { tokenizeCaption } from './tokenizeCaption';
