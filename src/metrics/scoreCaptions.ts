import { VERSION } from '../version';
import { bleu } from './bleu';
import { cider } from './cider';
import type { DocumentFrequencies } from './documentFrequencies';
import { ScoringError } from './errors';
import { meteor, meteorScores } from './meteor';
import { loadMeteorData, type MeteorData, meteorDataInstalled } from './meteor/data';
import { type MeteorThreads, startMeteorThreads, threadsFor, workerThreads } from './meteor/threads';
import type { Metric, Scores, Tokens } from './metric';
import { rougeL } from './rougeL';
import { tokenizeLine } from './tokenizeCaption';
import { takingTurns } from './turns';

/** One generated caption and what people wrote about the same picture, as text; an empty candidate is allowed. */
export type ScoredCaption = { id: string | number; candidate: string; references: readonly string[] };

export type MetricName = 'bleu' | 'meteor' | 'rougeL' | 'cider' | 'ciderOriginal';

export type ScoreOptions = {
  /**
   * By default all but `ciderOriginal`, in the order in which tables show them. METEOR is then left out, and `omitted`
   * says so, where its data is not installed.
   */
  metrics?: readonly MetricName[];
  /** Adds to each segment the counts behind its scores: 'BLEU statistics', 'METEOR statistics'. */
  details?: boolean;
  /** For CIDEr, of a larger corpus than the one scored here. */
  documentFrequencies?: DocumentFrequencies;
  /** For METEOR, where it was loaded before. By default it is loaded here, from the installed package. */
  meteorData?: MeteorData;
  /** False: METEOR without its paraphrases, which is not METEOR 1.5 and is named 'METEOR (without paraphrases)'. */
  paraphrases?: boolean;
  /** Which pictures these are, such as 'test'; goes into the settings, so that a result says what it is of. */
  split?: string;
  /** Called while the work goes on, with the captions done of each metric and the tokenizer together. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
  /**
   * Worker threads that measure METEOR beside the other metrics, in Node alone; each loads METEOR's data for itself. By default
   * as many as pay: none for a few captions, or where `meteorData` is given.
   */
  threads?: number;
};

export type SegmentScores = { id: string | number } & Record<string, unknown>;

export type CaptionScores = {
  /** By the metrics' names: 'BLEU-1' to 'BLEU-4', 'METEOR', 'ROUGE-L', 'CIDEr'. */
  corpus: Record<string, number>;
  /** In input order. */
  segments: SegmentScores[];
  /** Metrics that could have been meant but are not here, and why. */
  omitted: Record<string, string>;
  settings: {
    captions: number;
    split: string;
    tokenizer: string;
    scale: string;
    reproduces: string;
    documentFrequencies: string;
    version: string;
  };
};

type AnyMetric = Metric<Scores<string, unknown>, unknown>;

const METRICS: Record<MetricName, (options: ScoreOptions) => AnyMetric | Promise<AnyMetric>> = {
  bleu,
  meteor: async ({ meteorData, paraphrases = true, signal }) =>
    meteor({ data: meteorData ?? (await loadMeteorData({ paraphrases, ...(signal && { signal }) })), paraphrases }),
  rougeL,
  cider: ({ documentFrequencies }) => cider({ ...(documentFrequencies && { documentFrequencies }) }),
  ciderOriginal: ({ documentFrequencies }) =>
    cider({ variant: 'original', ...(documentFrequencies && { documentFrequencies }) }),
};

const DEFAULT_METRICS: readonly MetricName[] = ['bleu', 'meteor', 'rougeL', 'cider'];

/**
 * Scores captions as the field does: the reference's tokenizer, then each metric over all captions as one corpus. Gives
 * way to other work now and then.
 *
 * @throws ScoringError for an unknown metric, for missing METEOR data where METEOR was asked for, and naming the caption
 *   for a repeated id, for missing references and for what is no string
 */
export async function scoreCaptions(
  captions: readonly ScoredCaption[],
  options: ScoreOptions = {},
): Promise<CaptionScores> {
  checkCaptions(captions);
  const names = await namesOf(options);
  const results = await resultsOf(captions, names, options);
  const { details = false } = options;
  return {
    corpus: Object.assign({}, ...results.map(({ corpus }) => corpus)),
    segments: captions.map(({ id }, index) =>
      Object.assign(
        { id },
        ...results.map(({ segments }) => segments[index]),
        ...(details ? results.map((result) => result.details?.[index]) : []),
      ),
    ),
    omitted:
      options.metrics || names.includes('meteor')
        ? {}
        : { METEOR: 'METEOR was left out: its data is not installed. npm install @tfjs-captioning/meteor-en adds it.' },
    settings: {
      captions: captions.length,
      split: options.split ?? 'not named',
      tokenizer: 'PTB (CoreNLP 3.4.1), lower case, punctuation removed',
      scale: 'BLEU, METEOR and ROUGE-L from 0 to 1, CIDEr from 0 to 10',
      reproduces: 'pycocoevalcap 1.2',
      documentFrequencies: options.documentFrequencies
        ? `given, of ${options.documentFrequencies.images} images`
        : 'of the references scored here',
      version: `tfjs-captioning ${VERSION}`,
    },
  };
}

type Tokenized = { candidate: Tokens; references: Tokens[] };

/** In the order of `names`. */
async function resultsOf(
  captions: readonly ScoredCaption[],
  names: readonly MetricName[],
  options: ScoreOptions,
): Promise<Scores<string, unknown>[]> {
  const { onProgress, signal } = options;
  const steps = captions.length * (1 + names.length);
  const turns = takingTurns((done) => onProgress?.(done, steps), signal);
  const threads = names.includes('meteor')
    ? meteorThreads(captions.length, options, (count) => turns.add(count))
    : undefined;
  try {
    const local = names.filter((name) => name !== 'meteor' || !threads);
    // METEOR's data is unpacked beside the work on the captions, here or in the threads.
    const pending = new Map(local.map((name) => [name, startMetric(name, options)]));
    for (const metric of pending.values()) metric.catch(() => {}); // is thrown where it is awaited
    const tokenized: Tokenized[] = [];
    for (const caption of tokenizedAsFiles(captions)) {
      tokenized.push(caption);
      threads?.add(caption);
      if (turns.due()) await turns.take();
    }
    const elsewhere = threads?.statistics();
    elsewhere?.catch(() => {}); // as well
    const measure = async (name: MetricName) => {
      const metric = await (pending.get(name) ?? startMetric(name, options));
      for (const { candidate, references } of tokenized) {
        metric.update(candidate, references);
        if (turns.due()) await turns.take();
      }
      return metric.compute();
    };
    const results = new Map<MetricName, Scores<string, unknown>>();
    for (const name of local) results.set(name, await measure(name));
    const statistics = await elsewhere;
    if (statistics) results.set('meteor', meteorScores(statistics, 'METEOR'));
    else if (threads) results.set('meteor', await measure('meteor'));
    onProgress?.(steps, steps);
    return names.map((name) => results.get(name)!);
  } finally {
    threads?.close();
  }
}

/** As the reference does it, which reads all candidates out of one file and all references out of another. */
function* tokenizedAsFiles(captions: readonly ScoredCaption[]): Generator<Tokenized> {
  for (const [i, { candidate, references }] of captions.entries()) {
    const next = captions[i + 1];
    yield {
      candidate: tokenizeLine(candidate, next?.candidate),
      references: references.map((reference, j) => tokenizeLine(reference, references[j + 1] ?? next?.references[0])),
    };
  }
}

async function startMetric(name: MetricName, options: ScoreOptions): Promise<AnyMetric> {
  return METRICS[name](options);
}

/** None where the data is here already, or only some of it is wanted. */
function meteorThreads(
  captions: number,
  options: ScoreOptions,
  onPiece: (captions: number) => void,
): MeteorThreads | undefined {
  const { meteorData, paraphrases = true, signal, threads } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 0))
    throw new ScoringError(`threads is ${threads} but should be a whole number of at least 0.`);
  const count = threads ?? (meteorData || !paraphrases ? 0 : threadsFor(captions));
  if (count > 0 && (meteorData || !paraphrases))
    throw new ScoringError(
      "Threads load METEOR's data for themselves, with its paraphrases: leave out `meteorData` and `paraphrases`, or `threads`.",
    );
  if (count > 0 && !workerThreads())
    throw new ScoringError(
      '`threads` needs the worker threads of Node 20.16 or later, which are not here. Leave it out; in a browser, call scoreCaptions in a worker.',
    );
  return count > 0 ? startMeteorThreads(count, onPiece, signal) : undefined;
}

async function namesOf({ metrics, meteorData }: ScoreOptions): Promise<MetricName[]> {
  if (!metrics) {
    const withMeteor = meteorData !== undefined || (await meteorDataInstalled());
    return DEFAULT_METRICS.filter((name) => name !== 'meteor' || withMeteor);
  }
  if (metrics.length === 0) throw new ScoringError('The list of metrics is empty; name at least one metric.');
  for (const name of metrics)
    if (!Object.hasOwn(METRICS, name))
      throw new ScoringError(`There is no metric '${name}'. The metrics are: ${Object.keys(METRICS).join(', ')}.`);
  return [...new Set(metrics)];
}

function checkCaptions(captions: readonly ScoredCaption[]): void {
  if (captions.length === 0) throw new ScoringError('There are no captions to score: the list is empty.');
  const seen = new Set<string>();
  for (const { id, candidate, references } of captions) {
    if (seen.has(String(id)))
      throw new ScoringError(`Image ${id} has more than one candidate; each image is scored once.`);
    seen.add(String(id));
    if (typeof candidate !== 'string')
      throw new ScoringError(`The candidate of image ${id} is ${describe(candidate)} but should be a string.`);
    if (!Array.isArray(references) || references.length === 0)
      throw new ScoringError(`Image ${id} has no references; give at least one caption written by a person.`);
    for (const reference of references)
      if (typeof reference !== 'string')
        throw new ScoringError(`A reference of image ${id} is ${describe(reference)} but should be a string.`);
  }
}

function describe(value: unknown): string {
  return Array.isArray(value) ? 'an array' : value === null ? 'null' : typeof value;
}
