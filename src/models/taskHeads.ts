import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { type Captioner, encodeImages } from '../captioner';
import { activation } from '../core/activations';
import { dense } from '../core/dense';
import type { Dropout } from '../core/dropout';
import { expectWhole, UsageError } from '../core/errors';
import { layerNorm } from '../core/layerNorm';
import { layerNormSpec, linearSpec, tableSpec } from '../core/layerSpecs';
import type { LinearParams } from '../core/linear';
import { parametersOf } from '../core/parameters';
import { Random } from '../core/random';
import { whole } from '../core/schema';
import { createParams, type ParameterSpec, type ParamsOf } from '../core/spec';
import { takeRows } from '../core/takeRows';
import { disposeTree } from '../core/tree';
import type { Image } from '../data/types';
import { embedTokens, readEmbedded, TransformerDecoder, type TransformerMemory } from '../decoders/transformer';
import { assignStored, readJSON, readTensors, writeJSON, writeTensors } from '../io/checkpoint';
import type { Store } from '../io/types';
import { unitLength } from './clip';
import { logitScaleSpec } from './dualEncoderTowers';
import { type TextBatch, textBatch } from './textBatch';

/** What the text decoder of a captioner can learn beside captions: masked words, matching, contrast. */
export const TASK_NAMES = ['mlm', 'itm', 'itc'] as const;
export type TaskName = (typeof TASK_NAMES)[number];

export type HeadsConfig = {
  tasks: readonly TaskName[];
  hiddenSize: number;
  vocabSize: number;
  featureSize: number;
  /** Of the space of the contrast. */
  projectionSize: number;
};

const configSchema = v.object({
  format: v.literal('tfjs-captioning'),
  formatVersion: v.literal(1),
  architecture: v.literal('task-heads'),
  tasks: v.array(v.picklist(TASK_NAMES)),
  hiddenSize: whole,
  vocabSize: whole,
  featureSize: whole,
  projectionSize: whole,
});

function headsSpec({ tasks, hiddenSize, vocabSize, featureSize, projectionSize }: HeadsConfig) {
  const bias: ParameterSpec<tf.Tensor1D> = {
    ...{ key: 'mlm.bias', shape: [vocabSize], layout: 'same' },
    init: (shape) => tf.zeros(shape),
  };
  return {
    first: tableSpec<tf.Rank.R1>('first', [hiddenSize]),
    mlm: tasks.includes('mlm')
      ? {
          mask: tableSpec<tf.Rank.R1>('mlm.mask', [hiddenSize]),
          transform: linearSpec('mlm.transform', hiddenSize, hiddenSize),
          norm: layerNormSpec('mlm.norm', hiddenSize),
          bias,
        }
      : undefined,
    itm: tasks.includes('itm') ? linearSpec('itm', hiddenSize, 2) : undefined,
    itc: tasks.includes('itc')
      ? {
          image: linearSpec('itc.image', featureSize, projectionSize),
          text: linearSpec('itc.text', hiddenSize, projectionSize),
          logitScale: logitScaleSpec('itc.logitScale'),
        }
      : undefined,
  };
}

export type ReadingOptions = {
  /** Of pictures, of which the rows of the texts are a multiple; without it texts are read by themselves. */
  memory?: TransformerMemory;
  /** [rows, time], 1 where a word is hidden */
  masked?: Float32Array;
  drop?: Dropout;
};

/**
 * What makes the text decoder of a captioner understand as well as speak. The trunk is shared: the decoder with all of its
 * weights, run without the causal mask, so that every word sees all others and the picture. Beside it there are a mark on the
 * first token, by which the layers know that they read and do not speak; for masked words, a mark on those that are hidden
 * and BERT's head over the decoder's own table of words; for matching, a classifier on the first token; for contrast, a projection
 * of the first token, read without the picture, and one of the mean of the features.
 *
 * @see Li et al. 2022, https://arxiv.org/abs/2201.12086, section 3.2 (BLIP's multi-task pre-training). Departures: BLIP has
 * self-attention of its own for reading and for speaking, where here all is shared; and its encoder begins with a token of
 * its own, where here a vector is added to the start token.
 */
export class TaskHeads {
  readonly params: ParamsOf<ReturnType<typeof headsSpec>>;
  private readonly decoder: TransformerDecoder;

  private constructor(
    /** It stays the caller's. */
    readonly captioner: Captioner,
    readonly config: HeadsConfig,
    random: Random,
  ) {
    this.decoder = expectTransformer(captioner);
    this.params = createParams(headsSpec(config), random);
  }

  /** @throws UsageError for a captioner whose decoder is no transformer that looks at pictures */
  static create(
    captioner: Captioner,
    { tasks, projectionSize = 256, seed = 0 }: { tasks: readonly TaskName[]; projectionSize?: number; seed?: number },
  ): TaskHeads {
    expectWhole('projectionSize', projectionSize, 1);
    const [vocabSize, hiddenSize] = expectTransformer(captioner).parts.output.table.shape;
    const { featureSize } = captioner.encoder;
    const config = { tasks, hiddenSize, vocabSize, featureSize, projectionSize };
    return new TaskHeads(captioner, config, new Random(seed).fork('taskHeads'));
  }

  /**
   * Reads what `save` wrote, for the captioner that it was trained with.
   *
   * @throws DataError that names the file which is missing, damaged or does not fit
   */
  static async load(store: Store, captioner: Captioner): Promise<TaskHeads> {
    const { tasks, projectionSize } = await readJSON(store, 'heads.json', configSchema);
    const stored = await readTensors(store, 'heads.safetensors');
    const heads = TaskHeads.create(captioner, { tasks, projectionSize });
    try {
      assignStored(heads.parameters(), stored, `heads.safetensors in ${store.location}`);
      return heads;
    } catch (error) {
      heads.dispose();
      throw error;
    }
  }

  parameters(): Map<string, tf.Variable> {
    return parametersOf(this.params);
  }

  /** Writes `heads.json` and `heads.safetensors`, beside the captioner where the store is that of it. */
  async save(store: Store): Promise<void> {
    await writeTensors(store, 'heads.safetensors', this.parameters());
    const format = { format: 'tfjs-captioning', formatVersion: 1, architecture: 'task-heads' };
    await writeJSON(store, 'heads.json', { ...format, ...this.config });
  }

  /** Throws a `UsageError` unless there is a head for the task. */
  expectTask(task: TaskName): void {
    if (this.params[task]) return;
    throw new UsageError(
      `There is no head for ${task}: these were made for ${this.config.tasks.join(', ')}. Name it: TaskHeads.create(captioner, { tasks: ['${task}', ...] }).`,
    );
  }

  /** What the decoder makes of texts [rows, time, hiddenSize]; differentiable. */
  read(
    { rows, time, tokens, padding }: TextBatch,
    { memory = { layers: [] }, masked, drop }: ReadingOptions = {},
  ): tf.Tensor3D {
    const { parts } = this.decoder;
    const { first, mlm } = this.params;
    const ids = tf.tensor2d(tokens, [rows, time], 'int32');
    const { embedded, state } = embedTokens(parts, ids, { layers: [] }, tf.tensor2d(padding, [rows, time]));
    const mark = tf.pad(tf.reshape(first, [1, -1]), [
      [0, time - 1],
      [0, 0],
    ]); // [time, hiddenSize]
    let x: tf.Tensor3D = tf.add(embedded, mark);
    if (masked && mlm) x = tf.add(x, tf.mul(tf.tensor3d(masked, [rows, time, 1]), mlm.mask));
    return readEmbedded(parts, x, state, memory, { causal: false, drop }).hiddenStates.at(-1)!;
  }

  /** What is to be said of hidden words, for `wordLoss`: what the last layer reads [n, hiddenSize], and that layer. */
  hiddenWords(hidden: tf.Tensor3D, places: tf.Tensor1D): { hidden: tf.Tensor2D; output: LinearParams } {
    const { transform, norm, bias } = this.params.mlm!;
    const rows = takeRows(tf.reshape<tf.Rank.R2>(hidden, [-1, this.config.hiddenSize]), places);
    const read = layerNorm(norm, activation('gelu')(dense(transform, rows)), 1e-5);
    return { hidden: read, output: { weight: tf.transpose(this.decoder.parts.output.table), bias } };
  }

  /** Logits [rows, 2] of what was read with the pictures in sight: that text and picture do not fit, and that they do. */
  matchLogits(hidden: tf.Tensor3D): tf.Tensor2D {
    return dense(this.params.itm!, firstOf(hidden));
  }

  /** Vectors of length 1 [rows, projectionSize] of texts that were read without pictures. */
  textVectors(hidden: tf.Tensor3D): tf.Tensor2D {
    return unitLength(dense(this.params.itc!.text, firstOf(hidden)));
  }

  /** Vectors of length 1 [images, projectionSize] of features [images, positions, featureSize]. */
  imageVectors(features: tf.Tensor3D): tf.Tensor2D {
    return unitLength(dense(this.params.itc!.image, tf.mean<tf.Tensor2D>(features, 1)));
  }

  /** How probable it is that each text fits the picture, features [1, positions, featureSize], which stay the caller's. */
  async matchProbabilities(features: tf.Tensor3D, texts: readonly string[]): Promise<number[]> {
    this.expectTask('itm');
    const logits = tf.tidy(() => {
      const memory = this.decoder.remember(features);
      return tf.softmax(this.matchLogits(this.read(this.layOut(texts), { memory })));
    });
    try {
      const values = await logits.data();
      return texts.map((_, row) => values[2 * row + 1]!);
    } finally {
      logits.dispose();
    }
  }

  /** How probable it is that the text fits each picture. */
  async score(text: string, images: readonly Image[]): Promise<number[]> {
    const probabilities: number[] = [];
    for (const image of images) {
      const features = await encodeImages(this.captioner.encoder, [image]);
      try {
        probabilities.push(...(await this.matchProbabilities(features, [text])));
      } finally {
        features.dispose();
      }
    }
    return probabilities;
  }

  /** Texts as ids, each between start and end. */
  layOut(texts: readonly string[]): TextBatch {
    const { startId, endId, padId } = this.captioner.tokenizer;
    const longest = this.decoder.parts.maxPositions - 2;
    return textBatch(
      texts.map((text) => [startId, ...this.captioner.tokenizer.encode(text).slice(0, longest), endId]),
      padId,
    );
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

/** The first token of each row: [rows, time, size] -> [rows, size] */
function firstOf(x: tf.Tensor3D): tf.Tensor2D {
  return tf.reshape(tf.slice(x, [0, 0, 0], [-1, 1, -1]), [x.shape[0], x.shape[2]]);
}

function expectTransformer({ decoder }: Captioner): TransformerDecoder {
  if (decoder instanceof TransformerDecoder && decoder.parts.layers.some(({ cross }) => cross)) return decoder;
  throw new UsageError(
    'Masked words, matching and contrast need a captioner whose decoder is a transformer that looks at the picture, such as TransformerCaptioner or BLIP. Leave these objectives out, or take such a captioner.',
  );
}
