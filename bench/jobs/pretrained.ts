import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { leaves } from '../../src/core/tree';
import { beam } from '../../src/decoders/search/beam';
import { greedy } from '../../src/decoders/search/greedy';
import { openWeights } from '../../src/io/weights';
import { Blip } from '../../src/models/blip';
import { readBlipConfig } from '../../src/models/blipConfig';
import type { CaptioningModel } from '../../src/models/pretrainedCaptioner';
import { VisionEncoderDecoder } from '../../src/models/visionEncoderDecoder';
import { readVisionEncoderDecoderConfig } from '../../src/models/visionEncoderDecoderConfig';
import { directory } from '../../src/node/directory';
import { benchPython } from '../processes';
import { readInput, readPlan, writeInput, writePlan } from './files';
import type { Plan, Work } from './types';

export type Architecture = 'ved-vit-gpt2' | 'blip';

export type PretrainedSizes = {
  architecture: Architecture;
  images: number;
  /** 1 is greedy search. */
  beamSize: number;
  /** Of the encoder and of the decoder; 12 in the base sizes. */
  layers?: number;
};

export type PretrainedPlan = Plan & {
  architecture: Architecture;
  /** The folder with `config.json` and `model.safetensors`, as transformers wrote them. */
  model: string;
  beamSize: number;
  words: number;
  startId: number;
};

export const WORDS = 20;

/** Pictures that go through the encoder at once, as when a captioner is given pictures. */
const ENCODED_TOGETHER = 8;

/** Side of the pictures and the token that captions begin with, as in the published models of that size. */
const about: Record<Architecture, { side: number; startId: number }> = {
  'ved-vit-gpt2': { side: 224, startId: 50256 },
  blip: { side: 384, startId: 30522 },
};

/** The weights are written once, by transformers, and serve all jobs of an architecture. */
export async function preparePretrained(
  folder: string,
  { architecture, images, beamSize, layers = 12 }: PretrainedSizes,
): Promise<void> {
  const model = join(folder, '..', `${architecture}-${layers}-layers`);
  const { side, startId } = about[architecture];
  if (!existsSync(join(model, 'model.safetensors'))) {
    await mkdir(model, { recursive: true });
    const script = join(import.meta.dirname, '../pytorch/write_pretrained.py');
    await promisify(execFile)(await benchPython(), [script, model, architecture, `${layers}`]);
  }
  const plan: PretrainedPlan = { kind: 'pretrained', architecture, model, beamSize, words: WORDS, startId };
  await writePlan(folder, plan);
  await writeInput(folder, [images, side, side, 3], true);
}

async function loadModel(architecture: Architecture, folder: string): Promise<CaptioningModel> {
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  const weights = await openWeights(directory(folder));
  if (architecture === 'blip') return Blip.load(readBlipConfig(config), weights);
  return VisionEncoderDecoder.load(readVisionEncoderDecoderConfig(config), weights);
}

/** From pixels to captions. No token ends them, so that every engine goes as many steps with as many rows. */
export async function captionPixels(folder: string): Promise<Work> {
  const { architecture, model: path, beamSize, words, startId } = await readPlan<PretrainedPlan>(folder);
  const { encoder, decoder } = await loadModel(architecture, path);
  const pixels = await readInput<tf.Tensor4D>(folder);
  const [images] = pixels.shape;
  const search = beamSize === 1 ? greedy() : beam({ beamSize });

  const encode = () => {
    const parts: tf.Tensor3D[] = [];
    for (let first = 0; first < images; first += ENCODED_TOGETHER) {
      const count = Math.min(ENCODED_TOGETHER, images - first);
      parts.push(tf.tidy(() => encoder.encode(tf.slice(pixels, [first, 0, 0, 0], [count, -1, -1, -1]))));
    }
    return tf.concat(parts, 0);
  };
  const captions = async () => {
    const memory = tf.tidy(() => decoder.remember(encode()));
    const found = await search(decoder, memory, { batch: images, startId, endId: [], maxLength: words });
    tf.dispose([...leaves(memory).values()]);
    return found.map(([best]) => best!);
  };

  return {
    run: async () => {
      await captions();
    },
    async check() {
      const found = await captions();
      return {
        numbers: { logProbs: found.map(({ logProbs }) => logProbs.reduce((a, b) => a + b)) },
        captions: found.map(({ tokens }) => tokens),
      };
    },
  };
}
