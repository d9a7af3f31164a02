import { VERSION } from '../version';
import { bleu } from './bleu';
import { cider } from './cider';
import type { DocumentFrequencies } from './documentFrequencies';
import { ScoringError } from './errors';
import type { Metric, Scores } from './metric';
import { rougeL } from './rougeL';
import { tokenizeCaption } from './tokenizeCaption';

/** One generated caption and what people wrote about the same picture, as text; an empty candidate is allowed. */
export type ScoredCaption = { id: string | number; candidate: string; references: readonly string[] };

export type MetricName = 'bleu' | 'rougeL' | 'cider' | 'ciderOriginal';

export type ScoreOptions = {
  /** By default all but `ciderOriginal`, in the order in which tables show them. */
  metrics?: readonly MetricName[];
  /** Adds to each segment the counts behind its scores, such as 'BLEU statistics'. */
  details?: boolean;
  /** For CIDEr, of a larger corpus than the one scored here. */
  documentFrequencies?: DocumentFrequencies;
};

export type SegmentScores = { id: string | number } & Record<string, unknown>;

export type CaptionScores = {
  /** By the metrics' names: 'BLEU-1' to 'BLEU-4', 'ROUGE-L', 'CIDEr'. */
  corpus: Record<string, number>;
  /** In input order. */
  segments: SegmentScores[];
  /** Metrics that could have been meant but are not here, and why. */
  omitted: Record<string, string>;
  settings: {
    captions: number;
    tokenizer: string;
    scale: string;
    reproduces: string;
    documentFrequencies: string;
    version: string;
  };
};

type AnyMetric = Metric<Scores<string, unknown>, unknown>;

const METRICS: Record<MetricName, (options: ScoreOptions) => AnyMetric> = {
  bleu,
  rougeL,
  cider: ({ documentFrequencies }) => cider({ ...(documentFrequencies && { documentFrequencies }) }),
  ciderOriginal: ({ documentFrequencies }) =>
    cider({ variant: 'original', ...(documentFrequencies && { documentFrequencies }) }),
};

const DEFAULT_METRICS: readonly MetricName[] = ['bleu', 'rougeL', 'cider'];

const METEOR_OMITTED = `METEOR is not in tfjs-captioning ${VERSION}.`;

/**
 * Scores captions as the field does: the reference's tokenizer, then each metric over all captions as one corpus.
 *
 * @throws ScoringError for an unknown metric, and naming the caption for a repeated id, for missing references and for
 *   what is no string
 */
export async function scoreCaptions(
  captions: readonly ScoredCaption[],
  options: ScoreOptions = {},
): Promise<CaptionScores> {
  const { metrics: names = DEFAULT_METRICS, details = false } = options;
  if (names.length === 0) throw new ScoringError('The list of metrics is empty; name at least one metric.');
  const metrics = [...new Set(names)].map((name) => create(name, options));
  checkCaptions(captions);
  for (const { candidate, references } of captions) {
    const tokens = tokenizeCaption(candidate);
    const referenceTokens = references.map(tokenizeCaption);
    for (const metric of metrics) metric.update(tokens, referenceTokens);
  }
  const results = metrics.map((metric) => metric.compute());
  return {
    corpus: Object.assign({}, ...results.map(({ corpus }) => corpus)),
    segments: captions.map(({ id }, index) =>
      Object.assign(
        { id },
        ...results.map(({ segments }) => segments[index]),
        ...(details ? results.map((result) => result.details?.[index]) : []),
      ),
    ),
    omitted: options.metrics ? {} : { METEOR: METEOR_OMITTED },
    settings: {
      captions: captions.length,
      tokenizer: 'PTB (CoreNLP 3.4.1), lower case, punctuation removed',
      scale: 'BLEU and ROUGE-L from 0 to 1, CIDEr from 0 to 10',
      reproduces: 'pycocoevalcap 1.2',
      documentFrequencies: options.documentFrequencies
        ? `given, of ${options.documentFrequencies.images} images`
        : 'of the references scored here',
      version: `tfjs-captioning ${VERSION}`,
    },
  };
}

function create(name: MetricName, options: ScoreOptions): AnyMetric {
  if (Object.hasOwn(METRICS, name)) return METRICS[name](options);
  const known = Object.keys(METRICS).join(', ');
  if ((name as string) === 'meteor') throw new ScoringError(`${METEOR_OMITTED} The metrics of this version: ${known}.`);
  throw new ScoringError(`There is no metric '${name}'. The metrics are: ${known}.`);
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
