import { ScoringError } from '../errors';
import type { Tokens } from '../metric';
import { COCO_CATEGORIES, type Mention, mentionedObjects } from './objects';

/** What is in a picture, as far as it is known: what its true captions name, and what it is annotated with. */
export type PictureTruth = {
  references?: readonly Tokens[];
  /** COCO's categories, such as those of the instances in `instances_val2017.json`. */
  objects?: readonly string[];
};

/** Of one caption: what it names, and which of that is not in the picture. */
export type ChairSegment = { mentioned: Mention[]; hallucinated: Mention[] };

export type ChairScores = {
  corpus: {
    /** Share of the mentioned objects that are not in their picture; 0 where none is mentioned. */
    CHAIRi: number;
    /** Share of the captions that name an object which is not in their picture. */
    CHAIRs: number;
  };
  segments: ChairSegment[];
};

/** Fed caption by caption, asked once; the state is plain JSON, one entry per caption. */
export interface ChairMetric {
  /** @throws ScoringError where nothing is known of the picture, or for an object that is none of COCO's categories */
  update(candidate: Tokens, truth: PictureTruth): void;
  /** Scores of all captions so far. @throws ScoringError where there are none */
  compute(): ChairScores;
  state(): ChairSegment[];
  merge(state: readonly ChairSegment[]): void;
}

/**
 * CHAIR: how often captions name objects that are not in the picture, on COCO's 80 categories. What is in a picture is what its
 * annotations have together with what its references name: with references alone, an object that nobody mentioned counts as
 * hallucinated, so that scores are higher. The lower the better.
 *
 * The words that stand for a category are a list of this project (`mentionedObjects`), so that numbers are near to published
 * ones and not the same.
 *
 * @see Rohrbach et al. 2018, https://arxiv.org/abs/1809.02156, section 2
 */
export function chair(): ChairMetric {
  const segments: ChairSegment[] = [];
  return {
    update(candidate, { references = [], objects = [] }) {
      if (references.length === 0 && objects.length === 0)
        throw new ScoringError(
          `Of the picture of caption ${segments.length} nothing is known: give references or objects.`,
        );
      const unknown = objects.find((object) => !COCO_CATEGORIES.includes(object));
      if (unknown !== undefined)
        throw new ScoringError(
          `'${unknown}' is none of COCO's 80 categories, such as ${COCO_CATEGORIES.slice(0, 3).join(', ')}.`,
        );
      const there = new Set([...objects, ...references.flatMap(mentionedObjects).map(({ category }) => category)]);
      const mentioned = mentionedObjects(candidate);
      segments.push({ mentioned, hallucinated: mentioned.filter(({ category }) => !there.has(category)) });
    },
    compute() {
      if (segments.length === 0) throw new ScoringError('There are no captions to score. Call update() first.');
      const count = (of: (segment: ChairSegment) => number) => segments.reduce((sum, segment) => sum + of(segment), 0);
      const mentioned = count((segment) => segment.mentioned.length);
      const hallucinated = count((segment) => segment.hallucinated.length);
      return {
        corpus: {
          CHAIRi: mentioned === 0 ? 0 : hallucinated / mentioned,
          CHAIRs: count((segment) => Number(segment.hallucinated.length > 0)) / segments.length,
        },
        segments: [...segments],
      };
    },
    state: () => [...segments],
    merge(state) {
      segments.push(...state);
    },
  };
}
