import type { AttentionName } from '../attention/create';
import { UsageError } from '../core/errors';
import type { CellName } from '../core/recurrent';
import type { Look } from '../decoders/attentionLSTMParams';
import type { Injection } from '../decoders/lstm';
import type { CleanOptions, DataOptions } from './dataOptions';
import { type ObjectiveOptions, rewardIn, weightsIn } from './objectives';

export const MODELS = ['attention-lstm', 'lstm', 'transformer', 'dual-encoder'] as const;
export type ModelName = (typeof MODELS)[number];

/** Options that make the model or the run what it is: a resumed training takes them from the one before. */
export type RunOptions = ObjectiveOptions &
  DataOptions &
  CleanOptions & {
    model: ModelName;
    from?: string;
    scheduledSampling: number;
    averaging?: number;
    encoder: string;
    encoderWeights?: string;
    minCount: number;
    bpe?: number;
    metadata?: string[];
    metadataDropout?: number;
    metadataTokens?: number;
    wordVectors?: string;
    embeddingSize: number;
    hiddenSize: number;
    attentionSize: number;
    projectionSize: number;
    layers: number;
    heads: number;
    attention?: AttentionName;
    look?: Look;
    injection?: Injection;
    cell?: CellName;
    tied?: boolean;
    deepOutput: boolean;
    dropout: number;
    batchSize: number;
    captionsPerImage: number;
    accumulate: number;
    learningRate: number;
    warmup: number;
    weightDecay: number;
    labelSmoothing: number;
    augment?: string;
    mixup?: number;
    wordDropout: number;
    lockedDropout?: boolean;
    dataWeights?: number[];
    doublyStochastic: number;
    clipNorm: number;
    fineTuneFrom?: number;
    fineTuneAfterStage?: number;
    encoderLearningRate: number;
    seed: number;
  };

export type TrainCommandOptions = RunOptions & {
  dataPath: string[];
  modelPath: string;
  epochs: number;
  saveEvery: number;
  saveMinutes: number;
  validateEvery?: number;
  workers?: number;
  patience: number;
  beamSize: number;
  lengthPenalty: number;
  maxLength: number;
  precision: 'F32' | 'F16';
  featuresPath?: string;
  resume?: true;
  json?: true;
};

/** Options as they were given: those whose defaults depend on the model may be absent. */
export type GivenOptions = Partial<RunOptions> &
  Pick<RunOptions, 'model' | 'seed'> &
  Omit<TrainCommandOptions, keyof RunOptions>;

export const runOptionNames = [
  'model', 'objective', 'maskShare', 'negatives', 'baseline', 'sampleTemperature', 'from', 'teachers', 'distillationWeight', 'distillationTemperature',
  'scheduledSampling', 'averaging', 'encoder', 'encoderWeights', 'minCount', 'bpe', 'wordVectors', 'embeddingSize', 'hiddenSize', 'attentionSize',
  'projectionSize', 'layers', 'heads', 'attention', 'look', 'injection', 'cell', 'tied', 'deepOutput', 'dropout', 'batchSize', 'captionsPerImage', 'accumulate', 'learningRate', 'warmup', 'weightDecay',
  'labelSmoothing', 'augment', 'mixup', 'wordDropout', 'lockedDropout', 'doublyStochastic', 'clipNorm', 'fineTuneFrom', 'fineTuneAfterStage', 'encoderLearningRate', 'seed',
  'dataWeights', 'layout', 'splitShares', 'clean', 'language', 'metadata', 'metadataDropout', 'metadataTokens',
] as const satisfies readonly (keyof RunOptions)[]; // biome-ignore format: a table

type Defaults = Pick<
  RunOptions,
  | 'objective' | 'minCount' | 'embeddingSize' | 'hiddenSize' | 'attentionSize' | 'projectionSize' | 'layers' | 'heads' | 'deepOutput'
  | 'dropout' | 'batchSize' | 'captionsPerImage' | 'learningRate' | 'warmup' | 'weightDecay' | 'doublyStochastic' | 'clipNorm'
>; // biome-ignore format: a table

const attentionLSTM: Defaults = {
  ...{
    objective: 'caption',
    minCount: 5,
    embeddingSize: 300,
    hiddenSize: 512,
    attentionSize: 256,
    layers: 1,
    deepOutput: false,
  },
  ...{ heads: 4, projectionSize: 256, dropout: 0.4, batchSize: 20, captionsPerImage: 5, learningRate: 8e-4, warmup: 0 },
  ...{ weightDecay: 0.01, doublyStochastic: 1, clipNorm: 5 },
};

/** What options are where they are not given. */
export const modelDefaults: Record<ModelName, Defaults> = {
  'attention-lstm': attentionLSTM,
  lstm: { ...attentionLSTM, doublyStochastic: 0 },
  transformer: {
    ...attentionLSTM,
    ...{ hiddenSize: 256, layers: 3, dropout: 0.1, learningRate: 5e-4, warmup: 200, doublyStochastic: 0 },
  },
  'dual-encoder': {
    ...attentionLSTM,
    ...{
      objective: 'itc',
      minCount: 3,
      projectionSize: 512,
      heads: 8,
      dropout: 0.2,
      batchSize: 128,
      captionsPerImage: 1,
    },
    ...{ layers: 0, learningRate: 5e-4, warmup: 50, weightDecay: 0.05 },
  },
};

/** Options that only some models have. */
const belongsTo: Partial<Record<keyof TrainCommandOptions, readonly ModelName[]>> = {
  attentionSize: ['attention-lstm'],
  attention: ['attention-lstm'],
  look: ['attention-lstm'],
  injection: ['lstm'],
  cell: ['attention-lstm', 'lstm'],
  lockedDropout: ['attention-lstm', 'lstm'],
  tied: ['attention-lstm', 'lstm'],
  deepOutput: ['attention-lstm'],
  doublyStochastic: ['attention-lstm', 'transformer'],
  embeddingSize: ['attention-lstm', 'lstm', 'dual-encoder'],
  wordVectors: ['dual-encoder'],
  heads: ['transformer', 'dual-encoder'],
  metadata: ['transformer'],
  metadataDropout: ['transformer'],
  metadataTokens: ['transformer'],
  ...Object.fromEntries(
    [
      'scheduledSampling',
      'teachers',
      'labelSmoothing',
      'mixup',
      'wordDropout',
      'bpe',
      'beamSize',
      'lengthPenalty',
      'maxLength',
      'workers',
    ].map((name) => [name, ['attention-lstm', 'lstm', 'transformer']]),
  ),
};

/** The options with the defaults of the model and of what is learned. */
export function withDefaults(options: GivenOptions): TrainCommandOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const merged = { ...modelDefaults[options.model], ...given } as TrainCommandOptions;
  const selfCritical = rewardIn(merged) !== undefined;
  return {
    ...merged,
    // Up-Down has a layer below the attention and one above it.
    layers: options.layers ?? (options.look === 'between' ? 2 : merged.layers),
    learningRate: options.learningRate ?? (selfCritical ? 5e-5 : merged.learningRate),
    doublyStochastic: options.doublyStochastic ?? (selfCritical ? 0 : merged.doublyStochastic),
  };
}

/** What a model that is given brings along. */
const broughtAlong = [
  'encoder', 'encoderWeights', 'minCount', 'bpe', 'wordVectors', 'hiddenSize', 'attentionSize', 'embeddingSize', 'layers', 'heads', 'attention', 'look', 'injection',
  'cell', 'tied', 'deepOutput', 'dropout', 'metadata', 'metadataTokens',
] as const; // biome-ignore format: a table

const distillationOnly = ['distillationWeight', 'distillationTemperature'] as const;
const selfCriticalOnly = ['baseline', 'sampleTemperature'] as const;
const metadataOnly = ['metadataDropout', 'metadataTokens'] as const;
const notWithMetadata = ['teachers', 'scheduledSampling', 'mixup', 'wordDropout'] as const;
const truthOnly = ['teachers', 'scheduledSampling', 'labelSmoothing', 'mixup', 'wordDropout', 'lockedDropout'] as const;

/** Refuses options that would change nothing, so that none is ignored without a word. */
export function expectSensible(options: RunOptions, given: (name: string) => boolean): void {
  const { model, objective } = options;
  const refuse = (names: readonly string[], reason: string) => {
    const found = names.find(given);
    if (found) throw new UsageError(`--${found.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${reason}`);
  };
  for (const [name, models] of Object.entries(belongsTo))
    if (!models.includes(model)) refuse([name], `belongs to --model ${models.join(' and ')}, not to ${model}.`);
  if (options.fineTuneFrom === undefined)
    refuse(
      ['encoderLearningRate', 'fineTuneAfterStage'],
      'changes nothing while the encoder is frozen: give --fine-tune-from.',
    );
  if (objective !== 'caption' || options.teachers || options.attention === 'hard' || options.metadata)
    refuse(['workers'], 'shares out the words of true captions alone. Leave it out, or what else is learned.');
  if (options.mixup !== undefined && options.fineTuneFrom !== undefined)
    refuse(
      ['workers'],
      'cannot share out pictures that are mixed while the encoder is trained. Leave out one of the three.',
    );
  if (options.bpe !== undefined) refuse(['minCount'], 'belongs to whole words, and --bpe learns pieces of them.');
  if (options.from) refuse(broughtAlong, 'does not go with --from, whose captioner brings its own.');
  if (options.metadata) refuse(notWithMetadata, 'does not go with --metadata: captions are read after what is known.');
  else if (!options.from) refuse(metadataOnly, 'changes nothing without metadata: give --metadata.');
  if (!options.teachers) refuse(distillationOnly, 'changes nothing without teachers: give --teachers.');
  const selfCritical = rewardIn(options) !== undefined;
  if (model === 'dual-encoder' && objective !== 'itc')
    throw new UsageError(`--objective is ${objective}, but a dual encoder learns itc alone. Leave it out.`);
  if (!selfCritical) refuse(selfCriticalOnly, 'belongs to self-critical training: give --objective scst:cider.');
  const weights = selfCritical ? {} : weightsIn(objective);
  const tasks = Object.keys(weights).filter((name) => name !== 'caption');
  if ((model === 'attention-lstm' || model === 'lstm') && tasks.length > 0)
    throw new UsageError(`--objective ${objective} needs a text decoder that can also read: give --model transformer.`);
  if (weights.caption !== undefined && weights.caption !== 1 && tasks.length === 0)
    throw new UsageError(
      `--objective ${objective} has a weight and nothing beside it to be weighed against: give caption.`,
    );
  if (weights.mlm === undefined) refuse(['maskShare'], 'belongs to masked words: give --objective caption+mlm.');
  if (weights.itm === undefined) refuse(['negatives'], 'belongs to matching: give --objective caption+itm.');
  if (options.negatives === 'hard' && weights.itc === undefined)
    throw new UsageError(
      '--negatives hard are drawn by the contrast: give --objective with itc, such as caption+itm+itc.',
    );
  if (model === 'dual-encoder' ? false : tasks.length === 0 || weights.itc === undefined)
    refuse(['projectionSize'], 'belongs to contrast: give --model dual-encoder or an --objective with itc.');
  if (!selfCritical && weights.caption === undefined)
    refuse([...truthOnly, 'metadata', 'metadataDropout'], 'belongs to learning captions: give --objective caption+...');
  if (!selfCritical) return;
  if (!options.from)
    throw new UsageError(
      'Self-critical training begins from a captioner that has learned from captions: give its folder with --from.',
    );
  refuse(
    [...truthOnly, 'metadataDropout'],
    'belongs to learning from true captions, and self-critical training learns from samples. Leave it out.',
  );
}

/** Those that this run looks at: they go into the model card and are what a resumed training must have the same. */
export function runOptionsOf(options: RunOptions): RunOptions {
  const foreign = Object.entries(belongsTo).filter(([, models]) => !models.includes(options.model));
  const selfCritical = rewardIn(options) !== undefined;
  const weights = selfCritical ? {} : weightsIn(options.objective);
  const unused = [
    ...foreign.map(([name]) => name),
    ...(options.from ? broughtAlong : []),
    ...(options.bpe === undefined ? [] : ['minCount']),
    ...(options.teachers ? [] : distillationOnly),
    ...(selfCritical ? truthOnly : selfCriticalOnly),
    ...(weights.mlm === undefined ? ['maskShare'] : []),
    ...(weights.itm === undefined ? ['negatives'] : []),
    ...(weights.itc === undefined ? ['projectionSize'] : []),
  ];
  const used = runOptionNames.filter((name) => options[name] !== undefined && !unused.includes(name));
  return Object.fromEntries(used.map((name) => [name, options[name]])) as RunOptions;
}
