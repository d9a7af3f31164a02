// What `tfjs-captioning` exports wherever it runs; `index.ts` and `indexNode.ts` add what the place decides: `selectBackend`,
// `openPretrained`, `fromPretrained`.
export type { AdditiveAttentionConfig, AdditiveAttentionParams, Attended, AttentionMemory } from './attention/additive';
export { additiveAttention, additiveAttentionParams, attentionMemory } from './attention/additive';
export {
  type AttentionOptions,
  crossAttention,
  type KeysAndValues,
  type MultiHeadParams,
  multiHeadSpec,
  scaledDotProduct,
  selfAttention,
} from './attention/multiHead';
export { AttentionLSTMCaptioner, type AttentionLSTMCaptionerOptions } from './attentionLSTMCaptioner';
export type { BackendDescription, BackendName, SelectBackendOptions } from './backends/types';
export type {
  Caption,
  Captioner,
  CaptionOptions,
  CaptionSource,
  CaptionText,
  GenerationDefaults,
  WordChance,
} from './captioner';
export { captionFeatures, captionImages, captionMemory, encodeImages } from './captioner';
export { type Ensemble, ensemble } from './captioner/ensemble';
export { type MinimumBayesRiskOptions, minimumBayesRisk } from './captioner/minimumBayesRisk';
export { type CaptionPart, type StreamOptions, streamCaption, streamWords } from './captioner/stream';
export { type Dropout, dropout } from './core/dropout';
export { DataError, UsageError } from './core/errors';
export { glorot, uniform } from './core/init';
export { type LinearParams, linear, linearParams } from './core/linear';
export { type LSTMParams, type LSTMState, lstmCell, lstmGates, lstmParams } from './core/lstm';
export { parametersOf, variables } from './core/parameters';
export { Random } from './core/random';
export {
  createParams,
  type Layout,
  type LoadOptions,
  loadParams,
  type ParameterSpec,
  type ParamsOf,
  type SpecTree,
  stateDict,
  type WeightSource,
} from './core/spec';
export { disposeTree, leaves, mapTree, type Tree } from './core/tree';
export { type CaptionRecord, datasetOf, splitByPicture } from './data/dataset';
export type { Files } from './data/files';
export { readGloVe, type WordVector } from './data/glove';
export { defaultTextOptions, joinWords, normaliseCaption, type TextOptions } from './data/normalise';
export { normalisePixels, type PixelPreprocessing, toPixels } from './data/pixels';
export {
  loadPreprocessing,
  preprocessingOf,
  type TorchvisionPreprocessing,
  timmPreprocessing,
  torchvisionPreprocessing,
} from './data/preprocessing';
export {
  type DecodeOptions,
  type EncodeBatchOptions,
  type Encoded,
  type EncodeOptions,
  PretrainedTokenizer,
} from './data/pretrainedTokenizer';
export { resize, resizeBilinear } from './data/resize';
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
export { type GPT2Config, loadGPT2, readGPT2Config } from './decoders/gpt2';
export { type BeamOptions, beam } from './decoders/search/beam';
export type { Constraints } from './decoders/search/constraints';
export { type ContrastiveOptions, contrastive } from './decoders/search/contrastive';
export { type GreedyOptions, greedy } from './decoders/search/greedy';
export { type SampleFilters, type SampleOptions, sample } from './decoders/search/sample';
export type { Hypothesis, Search, SearchProblem, Spoken, TokenChance } from './decoders/search/types';
export {
  TransformerDecoder,
  type TransformerMemory,
  type TransformerParts,
  type TransformerState,
} from './decoders/transformer';
export type { Decoder, Step, TeacherForced, TrainableDecoder } from './decoders/types';
export { ConvEncoder, type ConvEncoderConfig, type ConvEncoderParams } from './encoders/convEncoder';
export { type Architecture, ConvNetwork, type ConvNetworkOptions } from './encoders/convNetwork';
export { createEncoder } from './encoders/create';
export { type InceptionV3Config, inceptionV3 } from './encoders/inceptionV3';
export { type MobileConfig, mobile } from './encoders/mobile';
export {
  type BlockParams,
  type ConvParams,
  MobileNetV2,
  type MobileNetV2Config,
  type MobileNetV2Params,
  mobileNetV2LayerNames,
} from './encoders/mobilenetV2';
export { PUBLISHED_NAMES, type PublishedNetwork, type PublishedOptions, publishedEncoder } from './encoders/published';
export { type ResNetConfig, resNet } from './encoders/resnet';
export { type ReadResNetConfig, readResNetConfig } from './encoders/resnetConfig';
export { type ResNetName, type ResNetShape, resNetShape } from './encoders/resnetPlan';
export type { Encoder, Preprocessing } from './encoders/types';
export { type VGGConfig, vgg } from './encoders/vgg';
export { VisionEncoder, type VisionEncoderConfig } from './encoders/visionEncoder';
export { readVisionConfig } from './encoders/visionTowerConfig';
export { ViT } from './encoders/vit';
export { readViTConfig, type ViTConfig } from './encoders/vitConfig';
export type { PretrainedOptions } from './io/pretrained';
export {
  readSafetensors,
  type Safetensors,
  type SafetensorsType,
  type StoredTensor,
  writeSafetensors,
} from './io/safetensors';
export { type SaveStateDictOptions, saveStateDict } from './io/saveStateDict';
export { httpStore, indexedDBStore, memoryStore, opfsStore } from './io/stores';
export type { TensorSource } from './io/tensorSource';
export type { Store } from './io/types';
export { openWeights } from './io/weights';
export { Blip, BlipMatching } from './models/blip';
export { Blip2, type Blip2Config, readBlip2Config } from './models/blip2';
export { type BlipConfig, readBlipConfig } from './models/blipConfig';
export { Clip, type ClipConfig, clipLoss, readClipConfig } from './models/clip';
export { ClipPictureEncoder } from './models/clipPictureEncoder';
export type { FromPretrainedOptions } from './models/fromPretrained';
export { type GenerationConfig, readGenerationConfig, searchFromGenerationConfig } from './models/generationConfig';
export { Git, type GitConfig, readGitConfig } from './models/git';
export { PrefixCaptioner, type PrefixCaptionerOptions } from './models/prefixCaptioner';
export { PrefixDecoder } from './models/prefixDecoder';
export {
  type CaptioningModel,
  PretrainedCaptioner,
  type PretrainedCaptionOptions,
  type PretrainedParts,
} from './models/pretrainedCaptioner';
export { readSiglipConfig, Siglip, type SiglipConfig, siglipLoss } from './models/siglip';
export { VisionEncoderDecoder } from './models/visionEncoderDecoder';
export {
  readVisionEncoderDecoderConfig,
  type VisionEncoderDecoderConfig,
} from './models/visionEncoderDecoderConfig';
export {
  type CalibrateOptions,
  type Calibration,
  calibrate,
  confidenceOf,
  fitTemperature,
  type Judged,
  type Reliability,
  type ReliabilityBin,
  reliability,
} from './training/calibrate';
export { type CaptionBatch, captionBatch, type SpecialIds } from './training/captionBatch';
export { type DistillationOptions, distillation } from './training/distillation';
export { type AveragingOptimizer, averaging } from './training/ema';
export { captionExamples, type EvaluateOptions, type Evaluation, evaluate } from './training/evaluate';
export { type FeatureCache, type FeatureReader, featureReader } from './training/features';
export { type Frozen, freeze, type NamePattern, trainOnly } from './training/freeze';
export {
  clipByGlobalNorm,
  clipByValue,
  clipFactor,
  type Gradients,
  gradients,
  type Parameters,
} from './training/gradients';
export { LoRA, type LoRAOptions } from './training/lora';
export { crossEntropy, doublyStochastic, linearCrossEntropy } from './training/losses';
export type { Lesson, LessonInput, Objective } from './training/objective';
export { type AdamOptions, type AdamWOptions, adam, adamW, type Optimizer } from './training/optimizers';
export { decayExcept, type ParameterGroup, withGroups } from './training/parameterGroups';
export {
  bleuReward,
  ciderReward,
  meteorReward,
  mixedReward,
  type Reward,
  type RewardedCaption,
  rewardFrequencies,
  rewardOf,
} from './training/rewards';
export { inverseSigmoidShare, risingShare } from './training/scheduledSampling';
export { constant, cosine, type Schedule } from './training/schedules';
export { type Baseline, type SelfCriticalOptions, selfCritical } from './training/selfCritical';
export { bleuSimilarity, ciderSimilarity, type Similarity } from './training/similarity';
export { hasSnapshot, readTrainingState, type TrainingState } from './training/snapshot';
export { type TrainOptions, type TrainStep, train } from './training/train';
export { TransformerCaptioner, type TransformerCaptionerOptions } from './transformerCaptioner';
export { VERSION } from './version';
