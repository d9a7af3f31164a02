import * as tf from '@tensorflow/tfjs';
import { pixelTensor } from '../captioner';
import type { Dropout } from '../core/dropout';
import { DataError, expectWhole } from '../core/errors';
import { parametersOf } from '../core/parameters';
import type { Augmentation } from '../data/augment/types';
import { normalisePixels } from '../data/pixels';
import type { Dataset, Example } from '../data/types';
import type { DualEncoder } from '../models/dualEncoder';
import { imageVectors } from '../models/dualEncoderTowers';
import type { TextBatch } from '../models/textBatch';
import { clampLogitScale, contrastiveLoss } from './contrastiveLoss';
import { type FeatureCache, featureReader, pixelsOf } from './features';
import { gradients, type Parameters } from './gradients';
import { type LoopOptions, loopSettings, type TrainStep, trainingSteps } from './loop';

export type TrainDualEncoderOptions = LoopOptions & {
  /** Captions of each picture per step, all of which it should find. A picture with more gives a random choice. */
  captionsPerImage?: number;
  /** Where features are kept while the encoder is frozen, so that it sees every picture once. */
  features?: FeatureCache;
  /** How pictures and captions are changed anew in every epoch, such as `augment([flip()])`. */
  augment?: Augmentation;
};

type Batch = { texts: TextBatch; examples: Example[]; pixels?: Float32Array };

/**
 * Teaches a dual encoder which caption belongs to which picture: among those of a batch, each has to find its own
 * (`contrastiveLoss`). A large batch teaches more, because it is harder. Yields after every step, as `train` does; the figures
 * have the `temperature`.
 *
 * @throws UsageError for options that cannot be meant; DataError for a picture that cannot be read, or where the loss
 * is no longer a number
 * @see Radford et al. 2021, https://arxiv.org/abs/2103.00020, section 2.3; the scale of the logits is clamped to 100 before every
 * batch
 */
export async function* trainDualEncoder(
  model: DualEncoder,
  data: Dataset,
  options: TrainDualEncoderOptions = {},
): AsyncGenerator<TrainStep, void, undefined> {
  const { captionsPerImage = 1, augment } = options;
  expectWhole('captionsPerImage', captionsPerImage, 1);
  const loop = loopSettings({ batchSize: 128, ...options });
  const { encoder, params, dropout: rate } = model;
  const parameters: Parameters = model.parameters();
  const headsOnly: Parameters = parametersOf(params, 'dual');
  const readFeatures = featureReader(encoder, options.features);
  const { logitScale } = params;
  yield* trainingSteps<Batch>(
    {
      parameters,
      settings: { objective: 'itc', captionsPerImage, ...(augment && { augment: augment.description }) },
      async read(given, { epoch, tuned, random }) {
        const views = random.fork('augment').fork(epoch);
        const examples = augment ? given.map((each) => augment.apply(each, views.fork(each.id).seed)) : given;
        const chances = random.fork('captions').fork(epoch);
        const chosen = examples.flatMap(({ id, captions }) => {
          if (captions.length === 0)
            throw new DataError(`Example ${id} has no caption. Leave it out of the training split.`);
          const order = chances.fork(id).shuffle(captions);
          return Array.from({ length: captionsPerImage }, (_, i) => order[i % order.length]!);
        });
        const texts = model.layOut(chosen);
        if (!tuned) {
          readFeatures.ahead(examples);
          return { texts, examples };
        }
        const pictures = await Promise.all(examples.map((example) => pixelsOf(example, encoder)));
        return { texts, examples, pixels: normalisePixels(pictures, encoder.preprocessing) };
      },
      async learn({ texts, examples, pixels }, { index, random }, { parts }) {
        const features = pixels ? undefined : await readFeatures(examples);
        clampLogitScale(logitScale);
        const drop: Dropout = { rate, random: random.fork('dropout').fork(index) };
        const forward = () => {
          const seen = features ?? encoder.encode(pixelTensor(encoder, pixels!));
          const loss = contrastiveLoss(imageVectors(params, seen, drop), model.readTexts(texts, drop), logitScale);
          return tf.div<tf.Scalar>(loss, parts);
        };
        let found: ReturnType<typeof gradients> | undefined;
        try {
          found = gradients(forward, features ? headsOnly : parameters);
          const [[loss], [logScale]] = await Promise.all([found.loss.data(), logitScale.data()]);
          return {
            grads: found.grads,
            loss: loss!,
            crossEntropy: loss! * parts,
            captions: texts.rows,
            figures: { temperature: Math.exp(-logScale!) },
          };
        } finally {
          features?.dispose();
          found?.loss.dispose();
        }
      },
    },
    data,
    loop,
  );
}
