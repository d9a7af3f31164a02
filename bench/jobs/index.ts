import { join } from 'node:path';
import { beamSearch, prepareBeam } from './beam';
import { encode, prepareEncoder } from './encoder';
import { type EpochPlan, epoch, prepareEpoch } from './epoch';
import { readPlan } from './files';
import { type Architecture, captionPixels, preparePretrained, WORDS } from './pretrained';
import { prepareTrainStep, trainStep } from './trainStep';
import type { Job, Plan, Work } from './types';

/** Opens a job's folder in the process of an engine; bench/pytorch/engine.py has the same on its side. */
export const work: Record<Plan['kind'], (folder: string) => Promise<Work>> = {
  trainStep,
  beam: beamSearch,
  encoder: encode,
  epoch,
  pretrained: captionPixels,
};

const root = join(import.meta.dirname, '../..');
const data = process.env.CAPTIONING_DATA ?? join(root, '../shared/data');

/** @param epochSteps - of the epoch, how many steps are timed; all without it */
export function jobs(epochSteps: number | undefined): Job[] {
  const step = (vocabSize: number, positions: number): Job => ({
    name: `train-step-v${vocabSize}-l${positions}`,
    prepare: (folder) => prepareTrainStep(folder, { vocabSize, positions, rows: 32, time: 20 }),
  });
  const captions = (images: number): Job => ({
    name: `beam5-${images}`,
    prepare: (folder) => prepareBeam(folder, images),
  });
  const encoder = (network: 'mobilenetv2' | 'resnet50', images: number, backward = false): Job => ({
    name: `encoder-${network}-${images}${backward ? '-train' : ''}`,
    prepare: (folder) => prepareEncoder(folder, network, images, backward),
  });
  const pretrained = (architecture: Architecture, images: number, beamSize: number): Job => ({
    name: `${architecture}-base-${images}-${beamSize === 1 ? 'greedy' : `beam${beamSize}`}`,
    prepare: (folder) => preparePretrained(folder, { architecture, images, beamSize }),
    tokens: images * WORDS,
    transformersJS: architecture === 'ved-vit-gpt2' && beamSize === 1,
  });
  const flickr8k: Job = {
    name: 'epoch-flickr8k',
    prepare: (folder) => prepareEpoch(folder, data, epochSteps),
    async parts(folder) {
      const { batches, stepsPerEpoch } = await readPlan<EpochPlan>(folder);
      return { timed: batches.length, all: stepsPerEpoch };
    },
  };
  return [
    step(8000, 196),
    step(8000, 49),
    step(3000, 49),
    captions(1),
    captions(16),
    encoder('mobilenetv2', 1),
    encoder('mobilenetv2', 8),
    encoder('resnet50', 1),
    encoder('resnet50', 8),
    encoder('mobilenetv2', 8, true),
    ...(['ved-vit-gpt2', 'blip'] as const).flatMap((architecture) =>
      [1, 16].flatMap((images) => [1, 4].map((beamSize) => pretrained(architecture, images, beamSize))),
    ),
    flickr8k,
  ];
}
