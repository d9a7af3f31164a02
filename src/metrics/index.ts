export { type BleuName, type BleuScores, type BleuStatistics, bleu, bleuScores, bleuStatistics } from './bleu';
export type { CaptionSetMetric } from './captionSets';
export { type ChairMetric, type ChairScores, type ChairSegment, chair, type PictureTruth } from './chair/chair';
export { COCO_CATEGORIES, type Mention, mentionedObjects } from './chair/objects';
export { type CiderName, type CiderOptions, type CiderSegment, cider } from './cider';
export {
  CLIP_SCORE_PREFIX,
  type ClipScoreOptions,
  type ClipScores,
  clipScore,
  clipScores,
  type Embedding,
  embeddingRows,
  type RefClipScores,
  refClipScore,
  refClipScores,
} from './clipScore';
export { distinctNgrams, type NgramVariety } from './diversity/distinct';
export { type DiversityName, type DiversityOptions, type DiversityScores, diversity } from './diversity/diversity';
export { lsaDiversity } from './diversity/lsa';
export { mutualBleu } from './diversity/mutualBleu';
export { selfCider, selfCiderKernels } from './diversity/selfCider';
export { type DocumentFrequencies, documentFrequencies } from './documentFrequencies';
export { ScoringError } from './errors';
export {
  type MeteorAlignment,
  type MeteorMetric,
  type MeteorName,
  type MeteorOptions,
  meteor,
  meteorAlignment,
  meteorStatistics,
} from './meteor';
export { loadMeteorData, type MeteorData, type MeteorDataOptions, type MeteorPackage } from './meteor/data';
export type { Match } from './meteor/match';
export { type MeteorScore, type MeteorStatistics, meteorScore } from './meteor/statistics';
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
export { tokenizeCaption, tokenizeLine } from './tokenizeCaption';
export {
  type LengthStatistics,
  lengthStatistics,
  novelty,
  type VocabularyOptions,
  type VocabularyScores,
  vocabulary,
  vocabularySize,
} from './vocabulary';
