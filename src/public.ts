// What `tfjs-captioning` exports wherever it runs; `index.ts` and `indexNode.ts` add the `selectBackend` of the place.
export type { AdditiveAttentionConfig, AdditiveAttentionParams, Attended, AttentionMemory } from './attention/additive';
export { additiveAttention, additiveAttentionParams, attentionMemory } from './attention/additive';
export { AttentionLSTMCaptioner, type AttentionLSTMCaptionerOptions } from './attentionLSTMCaptioner';
export type { BackendDescription, BackendName, SelectBackendOptions } from './backends/types';
export type { Caption, Captioner, CaptionOptions, CaptionText, GenerationDefaults } from './captioner';
export { captionFeatures, captionImages, encodeImages } from './captioner';
export { type Dropout, dropout } from './core/dropout';
export { DataError, UsageError } from './core/errors';
export { glorot, uniform } from './core/init';
export { type LinearParams, linear, linearParams } from './core/linear';
export { type LSTMParams, type LSTMState, lstmCell, lstmGates, lstmParams } from './core/lstm';
export { parametersOf, variables } from './core/parameters';
export { Random } from './core/random';
export { disposeTree, leaves, mapTree, type Tree } from './core/tree';
export { type CaptionRecord, datasetOf, splitByPicture } from './data/dataset';
export { defaultTextOptions, joinWords, normaliseCaption, type TextOptions } from './data/normalise';
export { normalisePixels, type PixelPreprocessing, toPixels } from './data/pixels';
export { resizeBilinear } from './data/resize';
export { batched, type Source, shuffled } from './data/streams';
export type { Tokenizer } from './data/tokenizer';
export type { CaptionData, Dataset, Example, Image, PixelImage, Problem, Split } from './data/types';
export { type Vocabulary, WordTokenizer, type WordTokenizerOptions } from './data/wordTokenizer';
export type {
  AttentionLSTMConfig,
  AttentionLSTMParams,
  AttentionLSTMState,
  TeacherForcedOptions,
} from './decoders/attentionLSTM';
export { AttentionLSTMDecoder } from './decoders/attentionLSTM';
export { attentionLSTMStateDict, deepOutputStateDict } from './decoders/attentionLSTMNames';
export { type BeamOptions, beam } from './decoders/search/beam';
export { type GreedyOptions, greedy } from './decoders/search/greedy';
export { type SampleOptions, sample } from './decoders/search/sample';
export type { Hypothesis, Search, SearchProblem } from './decoders/search/types';
export type { Decoder, Step, TeacherForced, TrainableDecoder } from './decoders/types';
export { ConvEncoder, type ConvEncoderConfig, type ConvEncoderParams } from './encoders/convEncoder';
export { createEncoder } from './encoders/create';
export {
  type BlockParams,
  type ConvParams,
  MobileNetV2,
  type MobileNetV2Config,
  type MobileNetV2Params,
  mobileNetV2LayerNames,
} from './encoders/mobilenetV2';
export type { Encoder, Preprocessing } from './encoders/types';
export {
  readSafetensors,
  type Safetensors,
  type SafetensorsType,
  type StoredTensor,
  writeSafetensors,
} from './io/safetensors';
export { httpStore, indexedDBStore, memoryStore, opfsStore } from './io/stores';
export type { Store } from './io/types';
export { type CaptionBatch, captionBatch, type SpecialIds } from './training/captionBatch';
export { captionExamples, type EvaluateOptions, type Evaluation, evaluate } from './training/evaluate';
export { type FeatureCache, type FeatureReader, featureReader } from './training/features';
export {
  clipByGlobalNorm,
  clipByValue,
  clipFactor,
  type Gradients,
  gradients,
  type Parameters,
} from './training/gradients';
export { crossEntropy, doublyStochastic, linearCrossEntropy } from './training/losses';
export { type AdamOptions, adam, adamW, type Optimizer } from './training/optimizers';
export { constant, cosine, type Schedule } from './training/schedules';
export { hasSnapshot, readTrainingState, type TrainingState } from './training/snapshot';
export { type TrainOptions, type TrainStep, train } from './training/train';
export { VERSION } from './version';
