import type { Captioner, GenerationDefaults } from '../captioner';
import { UsageError } from '../core/errors';
import type { Dataset } from '../data/types';
import { loadCaptioner, type OwnCaptioner } from '../loadCaptioner';
import { loadMeteorData } from '../metrics/meteor/data';
import { directory } from '../node/directory';
import { distillation } from '../training/distillation';
import type { FeatureCache } from '../training/features';
import type { Objective } from '../training/objective';
import type { ObjectiveWeights } from '../training/objectives/multiTask';
import { parseObjectives } from '../training/objectives/parseObjectives';
import { parseReward, rewardFrequencies, rewardOf } from '../training/rewards';
import { selfCritical } from '../training/selfCritical';

/** Options of `train` that say what is learned. */
export type ObjectiveOptions = {
  /** `caption`, `scst:` and a reward, or a sum such as `caption+mlm:0.5+itm`. */
  objective: string;
  /** Of the words, to be guessed. */
  maskShare: number;
  negatives?: 'random' | 'hard';
  baseline: 'others' | 'greedy' | 'beam';
  sampleTemperature: number;
  /** Folders of captioners. */
  teachers?: string[];
  distillationWeight: number;
  distillationTemperature: number;
};

/** The reward of a self-critical objective. */
export function rewardIn({ objective }: { objective: string }): string | undefined {
  if (!objective.startsWith('scst:')) {
    weightsIn(objective);
    return undefined;
  }
  const reward = objective.slice('scst:'.length);
  parseReward(reward);
  return reward;
}

/** The weights of an objective that is no self-critical one. */
export function weightsIn(objective: string): ObjectiveWeights {
  try {
    return parseObjectives(objective);
  } catch (error) {
    throw new UsageError(
      `--objective is ${objective} but should be caption, or scst: and a reward, such as scst:cider or scst:cider+0.5*bleu, or a sum. ${(error as Error).message}`,
    );
  }
}

export function negatives(text: string): 'random' | 'hard' {
  if (text === 'random' || text === 'hard') return text;
  throw new UsageError(`--negatives is ${text} but should be random or hard.`);
}

export function baseline(text: string): ObjectiveOptions['baseline'] {
  if (text === 'others' || text === 'greedy' || text === 'beam') return text;
  throw new UsageError(`--baseline is ${text} but should be others, greedy or beam.`);
}

export async function loadTeachers(folders: readonly string[]): Promise<OwnCaptioner[]> {
  const teachers: OwnCaptioner[] = [];
  for (const folder of folders) teachers.push(await loadCaptioner(directory(folder)));
  return teachers;
}

/** What a run teaches beside the words of true captions; the teachers stay the caller's. */
export async function objectiveOf(
  options: ObjectiveOptions & GenerationDefaults,
  train: Dataset,
  teachers: readonly Captioner[],
  features: FeatureCache,
): Promise<Objective | undefined> {
  const { beamSize, lengthPenalty, maxLength } = options;
  const { distillationWeight: weight, distillationTemperature: temperature } = options;
  if (teachers.length > 0) return distillation({ teachers, weight, temperature, features });
  const text = rewardIn(options);
  if (text === undefined) return undefined;
  const names = parseReward(text).map(({ name }) => name);
  const reward = rewardOf(text, {
    ...(names.includes('cider') && { frequencies: await rewardFrequencies(train) }),
    ...(names.includes('meteor') && { meteorData: await loadMeteorData() }),
  });
  const baseline = options.baseline === 'beam' ? { beamSize, lengthPenalty } : options.baseline;
  return selfCritical({ reward, baseline, temperature: options.sampleTemperature, maxLength });
}
