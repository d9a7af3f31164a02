// What `tfjs-captioning` exports wherever it runs; `index.ts` and `indexNode.ts` add what the place decides: `selectBackend`,
// `openPretrained`, `fromPretrained`, `modelFromPretrained`.

export { type AdaptiveAttentionParams, adaptive } from './attention/adaptive';
export type { AdditiveAttentionConfig, AdditiveAttentionParams, Attended, AttentionMemory } from './attention/additive';
export { additive, additiveAttention, additiveAttentionParams, attentionMemory } from './attention/additive';
export { ATTENTION_NAMES, type AttentionName, attentionOf } from './attention/create';
export { type MultiHeadAttentionParams, type MultiHeadOptions, multiHead, scaledDot } from './attention/dotProduct';
export { hard } from './attention/hard';
export {
  type LocalOptions,
  type LocalParams,
  type LocationAwareOptions,
  type LocationAwareParams,
  local,
  location,
  locationAware,
} from './attention/location';
export { concat, dot, general } from './attention/luong';
export {
  type AnyAttention,
  type AttentionMechanism,
  type AttentionResult,
  type AttentionSizes,
  type AttentionStep,
  attendByScores,
  attendByWeights,
  dotScores,
  type Grid,
} from './attention/mechanism';
export {
  type AttentionOptions,
  crossAttention,
  type KeysAndValues,
  type MultiHeadParams,
  multiHeadSpec,
  scaledDotProduct,
  selfAttention,
} from './attention/multiHead';
export type { AttentionLSTMLoadOptions } from './attentionLSTMCaptioner';
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
export { captionWithMetadata, type MetadataList } from './captioner/captionWithMetadata';
export type { LoadParts, SaveOptions } from './captioner/checkpoint';
export { type Ensemble, ensemble } from './captioner/ensemble';
export {
  type MetadataOptions,
  type MetadataReading,
  type MetadataText,
  metadataCaptions,
  metadataOf,
  metadataPrompt,
  metadataReading,
  nameSlot,
  readMetadata,
  withNames,
  withSlots,
} from './captioner/metadata';
export { type MinimumBayesRiskOptions, minimumBayesRisk } from './captioner/minimumBayesRisk';
export {
  type CaptionJudge,
  cosineJudge,
  type JudgedCaption,
  type RerankCaptionOptions,
  rerankCaption,
} from './captioner/rerank';
export type { StartingValues } from './captioner/startingValues';
export { type CaptionPart, type StreamOptions, streamCaption, streamWords } from './captioner/stream';
export type { CaptionTokenizer } from './captioner/tokenizerFiles';
export { type Dropout, dropout } from './core/dropout';
export { DataError, UsageError } from './core/errors';
export { type GRUParams, gruCell, gruParams } from './core/gru';
export { glorot, uniform } from './core/init';
export { type LinearParams, linear, linearOverPositions, linearParams } from './core/linear';
export { type LSTMParams, type LSTMState, lstmCell, lstmGates, lstmParams } from './core/lstm';
export { parametersOf, variables } from './core/parameters';
export { Random } from './core/random';
export type { CellName, RecurrentParams, RecurrentState } from './core/recurrent';
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
export { augment, augmentWith, changePixels } from './data/augment/augment';
export { blur } from './data/augment/blur';
export { type ColourJitterOptions, colourJitter } from './data/augment/colourJitter';
export { flip, swapSides } from './data/augment/flip';
export { grayscale } from './data/augment/grayscale';
export { parseTransforms } from './data/augment/named';
export { randAugment } from './data/augment/randAugment';
export { randomErasing } from './data/augment/randomErasing';
export { randomResizedCrop } from './data/augment/randomResizedCrop';
export { rotation } from './data/augment/rotation';
export type { Augmentation, Change, Transform } from './data/augment/types';
export { type BPEOptions, trainBPE } from './data/bpe';
export {
  type CaptionPlace,
  type CaptionRule,
  type CaptionRuleOptions,
  captionRules,
  fingerprint,
  wikipediaRules,
} from './data/captionRules';
export {
  type CleaningOptions,
  type CleaningReport,
  cleanCaptions,
  type Dropped,
  withoutExamples,
} from './data/cleaning';
export { type CaptionRecord, datasetAt, datasetOf, type SplitShares, splitByPicture } from './data/dataset';
export { type FastText, openFastText, type ReadRange } from './data/fastText';
export type { Files } from './data/files';
export { type Fit, fitPixels } from './data/fit';
export { readGloVe, type WordVector } from './data/glove';
export type { WikipediaCaption } from './data/layouts/wikipedia';
export { findLeaks, type Leak, type LeakOptions } from './data/leaks';
export { type MixturePart, mixed } from './data/mixed';
export { defaultTextOptions, joinWords, normaliseCaption, type TextOptions } from './data/normalise';
export { hashDistance, type PerceptualHash, perceptualHash } from './data/perceptualHash';
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
export { tokenBias } from './data/tokenBias';
export type { Tokenizer } from './data/tokenizer';
export type {
  CaptionData,
  Dataset,
  Example,
  FittedImage,
  Image,
  OpenImage,
  PixelImage,
  Problem,
  Split,
} from './data/types';
export {
  countWords,
  type OutOfVocabulary,
  outOfVocabulary,
  type VocabularySize,
  vocabularySizes,
} from './data/vocabularyReport';
export { type WalkOptions, walk } from './data/walk';
export { readWord2Vec } from './data/word2vec';
export { type Vocabulary, WordTokenizer, type WordTokenizerOptions } from './data/wordTokenizer';
export { type WordVectors, wordVectors } from './data/wordVectors';
export type {
  AttentionLSTMConfig,
  AttentionLSTMMemory,
  AttentionLSTMParams,
  AttentionLSTMState,
  TeacherForcedOptions,
} from './decoders/attentionLSTM';
export { AttentionLSTMDecoder } from './decoders/attentionLSTM';
export { attentionLSTMStateDict, deepOutputStateDict } from './decoders/attentionLSTMNames';
export type { Look } from './decoders/attentionLSTMParams';
export { type GPT2Config, loadGPT2, readGPT2Config } from './decoders/gpt2';
export {
  type Injection,
  LSTMDecoder,
  type LSTMDecoderConfig,
  type LSTMDecoderParams,
  type LSTMDecoderState,
  type LSTMMemory,
} from './decoders/lstm';
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
export type { Join } from './encoders/joinMaps';
export { type MobileConfig, mobile } from './encoders/mobile';
export {
  type BlockParams,
  type ConvParams,
  MobileNetV2,
  type MobileNetV2Config,
  type MobileNetV2Params,
  mobileNetV2LayerNames,
} from './encoders/mobilenetV2';
export { type Places, Positioned, type PositionedConfig } from './encoders/positioned';
export { PUBLISHED_NAMES, type PublishedNetwork, type PublishedOptions, publishedEncoder } from './encoders/published';
export { type ResNetConfig, resNet } from './encoders/resnet';
export { type ReadResNetConfig, readResNetConfig } from './encoders/resnetConfig';
export { type ResNetName, type ResNetShape, resNetShape } from './encoders/resnetPlan';
export { SideBySide, type SideBySideConfig } from './encoders/sideBySide';
export { type StagedNetwork, Stages, type StagesConfig } from './encoders/stages';
export {
  type TfjsModelConfig,
  TfjsModelEncoder,
  type TfjsModelOptions,
  type TfjsNetwork,
  type TfjsTopology,
  tfjsModelEncoder,
} from './encoders/tfjsModel';
export type { DividedEncoder, Encoder, Preprocessing } from './encoders/types';
export { type VGGConfig, vgg } from './encoders/vgg';
export { VisionEncoder, type VisionEncoderConfig } from './encoders/visionEncoder';
export { readVisionConfig } from './encoders/visionTowerConfig';
export { ViT } from './encoders/vit';
export { readViTConfig, type ViTConfig } from './encoders/vitConfig';
export { eventFileStart, type Scalars, scalarEvent } from './io/eventFile';
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
export { readTfjsModel } from './io/tfjsModel';
export type { Store } from './io/types';
export { openWeights } from './io/weights';
export { loadCaptioner, type OwnCaptioner } from './loadCaptioner';
export { LSTMCaptioner, type LSTMCaptionerOptions } from './lstmCaptioner';
export type { GuessedWords, Stream } from './models/bertEncoder';
export { BertMLM, type BertMLMConfig, type BertMLMParams, readBertMLMConfig } from './models/bertMLM';
export { Blip, BlipMatching } from './models/blip';
export { Blip2, type Blip2Config, readBlip2Config } from './models/blip2';
export { type BlipConfig, readBlipConfig } from './models/blipConfig';
export { Clip, type ClipConfig, clipLoss, readClipConfig } from './models/clip';
export { ClipPictureEncoder } from './models/clipPictureEncoder';
export { DualEncoder, type DualEncoderOptions } from './models/dualEncoder';
export type { DualEncoderConfig, DualEncoderParams } from './models/dualEncoderTowers';
export type { FromPretrainedOptions } from './models/fromPretrained';
export { type GenerationConfig, readGenerationConfig, searchFromGenerationConfig } from './models/generationConfig';
export { Git, type GitConfig, readGitConfig } from './models/git';
export { Lxmert, type LxmertParams, type LxmertRead, type RegionGuesses } from './models/lxmert';
export { type LxmertConfig, readLxmertConfig } from './models/lxmertConfig';
export type { ModelFromPretrainedOptions, PretrainedModel, PretrainedModels } from './models/modelFromPretrained';
export { PrefixCaptioner, type PrefixCaptionerOptions } from './models/prefixCaptioner';
export { PrefixDecoder } from './models/prefixDecoder';
export {
  type CaptioningModel,
  PretrainedCaptioner,
  type PretrainedCaptionOptions,
  type PretrainedParts,
} from './models/pretrainedCaptioner';
export { type RegionTargets, regionClassLoss, regionFeatureLoss, regionLoss } from './models/regionLosses';
export { readSiglipConfig, Siglip, type SiglipConfig, siglipLoss } from './models/siglip';
export { type HeadsConfig, type ReadingOptions, TASK_NAMES, TaskHeads, type TaskName } from './models/taskHeads';
export {
  type BoxedRegions,
  gridBoxes,
  type RegionInput,
  type TextInput,
  withWholePicture,
} from './models/textAndRegions';
export { type TextBatch, textBatch } from './models/textBatch';
export { Vilbert, type VilbertRead, type VilbertTexts } from './models/vilbert';
export {
  readVilbertConfig,
  type VilbertConfig,
  type VilbertStreamConfig,
  type VilbertTaskSizes,
} from './models/vilbertConfig';
export type { VilbertParams } from './models/vilbertSpec';
export type { VilbertTaskInputs, VilbertTaskLogits } from './models/vilbertTasks';
export { VisionEncoderDecoder } from './models/visionEncoderDecoder';
export {
  readVisionEncoderDecoderConfig,
  type VisionEncoderDecoderConfig,
} from './models/visionEncoderDecoderConfig';
export { VisualBert, type VisualBertParams, type VisualBertRead, type VisualBertRegions } from './models/visualBert';
export { readVisualBertConfig, type VisualBertConfig, type VisualBertHead } from './models/visualBertConfig';
export { blipEmbedder, blipScorer, clipEmbedder, siglipEmbedder, type TextTokenizer } from './retrieval/embedders';
export type { VectorType } from './retrieval/exact/vectorTable';
export {
  type AddOptions,
  ImageTextIndex,
  type IndexItem,
  type IndexOptions,
  type IndexQuery,
} from './retrieval/imageTextIndex';
export { type LoadedEmbedder, type LoadedScorer, loadEmbedder, loadScorer } from './retrieval/loadEmbedder';
export {
  type DuplicateGroup,
  type DuplicateOptions,
  type DuplicatePair,
  duplicateGroups,
} from './retrieval/nearDuplicates';
export { type RetrievalScores, retrievalRanks, retrievalScores, type Vectors } from './retrieval/recall';
export { type RerankedResult, type RerankOptions, rerank } from './retrieval/rerank';
export { createTagger, type Tag, type Tagger, type TagOptions } from './retrieval/tags';
export type {
  Entry,
  ImageItem,
  ImageTextEmbedder,
  ImageTextScorer,
  Metadata,
  SearchResult,
  VectorItem,
} from './retrieval/types';
export {
  type CalibrateOptions,
  type Calibration,
  calibrate,
  confidenceOf,
  fitScaling,
  type Judged,
  type Reliability,
  type ReliabilityBin,
  reliability,
  type Scaling,
} from './training/calibrate';
export { type CaptionBatch, captionBatch, type SpecialIds } from './training/captionBatch';
export { type CaptionConfidence, captionConfidence } from './training/captionConfidence';
export { type CaptionLossOptions, captionLoss } from './training/captionLoss';
export { clampLogitScale, contrastiveLoss } from './training/contrastiveLoss';
export { type DistillationOptions, distillation } from './training/distillation';
export { type BestSoFar, type Judgement, judge } from './training/earlyStopping';
export { type AveragingOptimizer, averaging } from './training/ema';
export { captionExamples, type EvaluateOptions, type Evaluation, evaluate } from './training/evaluate';
export {
  type EvaluateRetrievalOptions,
  evaluateRetrieval,
  type RetrievalEvaluation,
} from './training/evaluateRetrieval';
export type { FeatureType } from './training/featureCodec';
export { type FeatureStore, type FeatureStoreOptions, openFeatureStore } from './training/featureStore';
export {
  batchesAhead,
  type EncoderIdentity,
  type FeatureCache,
  type FeatureReader,
  featureReader,
  identify,
  type KeptFeatures,
} from './training/features';
export { type Frozen, freeze, type NamePattern, trainOnly } from './training/freeze';
export {
  clipByGlobalNorm,
  clipByValue,
  clipFactor,
  type Gradients,
  gradients,
  type Parameters,
} from './training/gradients';
export { type HardAttentionOptions, hardAttention } from './training/hardAttention';
export type { LoopOptions } from './training/loop';
export { LoRA, type LoRAOptions } from './training/lora';
export { crossEntropy, doublyStochastic, linearCrossEntropy } from './training/losses';
export type { Lesson, LessonInput, Objective, Seen, Term } from './training/objective';
export { type MaskedTokens, type MaskingOptions, maskTokens } from './training/objectives/masking';
export { type MetadataPromptedOptions, metadataPrompted } from './training/objectives/metadataPrompted';
export {
  type MultiTaskOptions,
  multiTask,
  OBJECTIVE_NAMES,
  type ObjectiveName,
  type ObjectiveWeights,
} from './training/objectives/multiTask';
export { drawNegatives, type NegativesOptions } from './training/objectives/negatives';
export { parseObjectives } from './training/objectives/parseObjectives';
export { type AdamOptions, type AdamWOptions, adam, adamW, type Optimizer } from './training/optimizers';
export type { Parallel, PlainBatch } from './training/parallel';
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
export { type TrainDualEncoderOptions, trainDualEncoder } from './training/trainDualEncoder';
export { TransformerCaptioner, type TransformerCaptionerOptions } from './transformerCaptioner';
export { VERSION } from './version';
