import { AttentionLSTMCaptioner } from '../attentionLSTMCaptioner';
import type { Captioner } from '../captioner';
import { type MetadataReading, metadataCaptions, metadataReading } from '../captioner/metadata';
import { UsageError } from '../core/errors';
import { parametersOf } from '../core/parameters';
import { parseTransforms } from '../data/augment/named';
import { trainBPE } from '../data/bpe';
import type { CaptionData } from '../data/types';
import { WordTokenizer } from '../data/wordTokenizer';
import { beam } from '../decoders/search/beam';
import type { Encoder } from '../encoders/types';
import type { Store } from '../io/types';
import { loadCaptioner, type OwnCaptioner } from '../loadCaptioner';
import { LSTMCaptioner } from '../lstmCaptioner';
import { TASK_NAMES, TaskHeads } from '../models/taskHeads';
import { augmentThreads } from '../node/augmentThreads';
import { directory } from '../node/directory';
import { loadEncoder } from '../node/encoders';
import { dataParallel } from '../node/parallel/dataParallel';
import { captionLoss } from '../training/captionLoss';
import { evaluate } from '../training/evaluate';
import type { FeatureCache } from '../training/features';
import { hardAttention } from '../training/hardAttention';
import type { Objective } from '../training/objective';
import { metadataPrompted } from '../training/objectives/metadataPrompted';
import { multiTask } from '../training/objectives/multiTask';
import { risingShare } from '../training/scheduledSampling';
import { type TrainOptions, train } from '../training/train';
import { TransformerCaptioner } from '../transformerCaptioner';
import { captionerCard } from './modelCard';
import { loadTeachers, objectiveOf, rewardIn, weightsIn } from './objectives';
import { shippedModel } from './shared';
import type { Trainee } from './trainee';
import type { ModelName, TrainCommandOptions } from './trainOptions';

/** Training pictures whose loss is compared with that of the development split. */
const LOOKED_AT = 200;

/** A captioner in training: new, or one that was trained before. */
export async function captionerTrainee(
  options: TrainCommandOptions,
  data: CaptionData,
  store: Store,
  features: FeatureCache,
): Promise<Trainee> {
  const owned: { dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(made: T): T => {
    owned.push(made);
    return made;
  };
  const { beamSize, lengthPenalty, maxLength, precision } = options;
  const captioner = options.from
    ? own(await loadAs(options))
    : own(await createCaptioner(options, own(await startEncoder(options)), data));
  const augmentation = options.augment ? augmentThreads(parseTransforms(options.augment)) : undefined;
  if (augmentation) own({ dispose: () => void augmentation.close() });
  const parallel = options.workers === undefined ? undefined : dataParallel({ workers: options.workers });
  if (parallel) own({ dispose: () => void parallel.close() });
  const teachers = (await loadTeachers(options.teachers ?? [])).map(own);
  const heads = await headsOf(options, captioner);
  if (heads) own(heads);
  const drawsLooks = captioner instanceof AttentionLSTMCaptioner && captioner.decoder.attention.chooses;
  const metadata = metadataObjective(options, captioner);
  const caption =
    metadata ??
    (await objectiveOf(options, data.train, teachers, features)) ??
    (drawsLooks ? own(hardAttention()) : undefined);
  const objective = heads
    ? multiTask({
        weights: weightsIn(options.objective),
        heads,
        maskShare: options.maskShare,
        ...(caption && { caption }),
        ...(options.negatives && { negatives: options.negatives }),
      })
    : caption;
  return {
    what: 'captioner',
    shown: ['BLEU-4', 'CIDEr'],
    rewarded: rewardIn(options) !== undefined,
    parameters: () => new Map([...captioner.parameters(), ...parametersOf(objective?.params, 'objective')]),
    train: (loop) =>
      train(captioner, data.train, {
        ...loop,
        ...trainOptionsOf(options),
        features,
        ...(augmentation && { augment: augmentation }),
        ...(objective && { objective }),
        ...(parallel && { parallel }),
      }),
    async validate({ features, progress, signal }) {
      if (data.dev.size === 0) return undefined;
      const { corpus } = await evaluate(captioner, data.dev, {
        search: beam({ beamSize, lengthPenalty }),
        maxLength,
        metrics: ['bleu', 'rougeL', 'cider'],
        ...(features && { features }),
        signal,
        onProgress: (done, total) => progress.show(`validating: ${done} of ${total} pictures`),
      });
      const looking = { signal, ...(features && { features }) };
      const losses = {
        'training loss': await captionLoss(captioner, data.train, { ...looking, pictures: LOOKED_AT }),
        'development loss': await captionLoss(captioner, data.dev, looking),
      };
      return { scores: corpus, score: corpus.CIDEr!, losses };
    },
    async save(record) {
      const pictures = { layout: data.layout, trainPictures: data.train.size, devPictures: data.dev.size };
      const card = captionerCard(captioner, { ...record, ...pictures, beamSize, lengthPenalty });
      await captioner.save(store, { dtype: precision, card, generation: { beamSize, lengthPenalty, maxLength } });
      await heads?.save(store);
    },
    dispose() {
      for (const made of owned.reverse()) made.dispose();
    },
  };
}

async function loadAs({ from, model }: TrainCommandOptions): Promise<OwnCaptioner> {
  const captioner = await loadCaptioner(directory(from!));
  const found = architectureOf(captioner);
  if (found === model) return captioner;
  captioner.dispose();
  throw new UsageError(`${from} holds a captioner of the kind ${found}: give --model ${found}.`);
}

function architectureOf(captioner: OwnCaptioner): ModelName {
  if (captioner instanceof TransformerCaptioner) return 'transformer';
  return captioner instanceof LSTMCaptioner ? 'lstm' : 'attention-lstm';
}

/** The encoder of a new model. */
export function startEncoder({ encoder, encoderWeights }: TrainCommandOptions): Promise<Encoder> {
  return loadEncoder(encoder ?? shippedModel(), encoderWeights ? { weights: encoderWeights } : {});
}

async function createCaptioner(
  options: TrainCommandOptions,
  encoder: Encoder,
  data: CaptionData,
): Promise<OwnCaptioner> {
  const { metadata: fields, metadataTokens: maxTokens } = options;
  const metadata = fields && metadataReading({ fields, maxTokens });
  const captions = metadata ? metadataCaptions(data.train, metadata) : data.train.captions();
  const tokenizer = options.bpe
    ? await trainBPE(captions, { vocabSize: options.bpe })
    : await WordTokenizer.fromCaptions(captions, { minCount: options.minCount });
  const { hiddenSize, layers: numLayers, dropout, seed } = options;
  const generation = {
    beamSize: options.beamSize,
    lengthPenalty: options.lengthPenalty,
    maxLength: options.maxLength,
  };
  const common = { encoder, tokenizer, hiddenSize, numLayers, dropout, generation, seed };
  if (options.model === 'transformer')
    return TransformerCaptioner.create({
      ...{ ...common, numHeads: options.heads },
      ...(metadata && { metadata, maxPositions: positionsFor(metadata, options) }),
    });
  const { embeddingSize, attentionSize, deepOutput, attention, look, injection, cell, tied } = options;
  const recurrent = { ...common, embeddingSize, ...(cell && { cell }), ...(tied && { tied }) };
  if (options.model === 'lstm') return LSTMCaptioner.create({ ...recurrent, ...(injection && { injection }) });
  const looking = { attentionSize, deepOutput, ...(attention && { attention }), ...(look && { look }) };
  return AttentionLSTMCaptioner.create({ ...recurrent, ...looking });
}

/** Most words of a caption that are learned, which is the default of `train`. */
const LEARNED_WORDS = 24;

/** Places for metadata and a caption, each after a start token; as many as without where they suffice. */
const positionsFor = ({ maxTokens }: MetadataReading, { maxLength }: TrainCommandOptions) =>
  Math.max(64, 2 + maxTokens + Math.max(LEARNED_WORDS, maxLength));

/** Of a captioner that reads metadata, because of `--metadata` or because the one that is trained further does. */
function metadataObjective(options: TrainCommandOptions, { metadata }: Captioner): Objective | undefined {
  const { from, metadataDropout: dropRate } = options;
  if (!metadata) {
    if (dropRate === undefined) return undefined;
    throw new UsageError(
      `--metadata-dropout changes nothing: the captioner in ${from} was not trained to read metadata.`,
    );
  }
  if (rewardIn(options) !== undefined)
    throw new UsageError(
      `The captioner in ${from} reads metadata, which self-critical training would not show it. Take one that reads none.`,
    );
  if (weightsIn(options.objective).caption === undefined) return undefined;
  const { teachers, scheduledSampling, mixup, wordDropout } = options;
  if (teachers || scheduledSampling > 0 || mixup !== undefined || wordDropout > 0)
    throw new UsageError(
      `The captioner in ${from} reads metadata, with which --teachers, --scheduled-sampling, --mixup and --word-dropout do not go. Leave them out.`,
    );
  return metadataPrompted({ ...metadata, ...(dropRate !== undefined && { dropRate }), maxLength: LEARNED_WORDS });
}

/** Heads for what is learned beside captions: those that lie with the captioner which is trained further, or new ones. */
async function headsOf(options: TrainCommandOptions, captioner: OwnCaptioner): Promise<TaskHeads | undefined> {
  const weights = rewardIn(options) === undefined ? weightsIn(options.objective) : {};
  const tasks = TASK_NAMES.filter((name) => weights[name] !== undefined);
  if (tasks.length === 0) return undefined;
  const before = options.from && directory(options.from);
  if (before && (await before.size('heads.json')) !== undefined) {
    const heads = await TaskHeads.load(before, captioner);
    if (tasks.every((task) => heads.config.tasks.includes(task))) return heads;
    heads.dispose();
  }
  return TaskHeads.create(captioner, { tasks, projectionSize: options.projectionSize, seed: options.seed });
}

/** Options of `train` that are about captions. */
function trainOptionsOf(options: TrainCommandOptions): TrainOptions {
  const { captionsPerImage, labelSmoothing, doublyStochastic, scheduledSampling, mixup, wordDropout, lockedDropout } =
    options;
  return {
    ...{ captionsPerImage, labelSmoothing, doublyStochastic, wordDropout },
    ...(lockedDropout && { lockedDropout }),
    ...(mixup !== undefined && { mixup }),
    ...(scheduledSampling > 0 && { scheduledSampling: risingShare(scheduledSampling) }),
  };
}
