/** METEOR's modules in the order in which they run. */
export const MODULES = ['exact', 'stem', 'synonym', 'paraphrase'] as const;

/** Words of a candidate that one module takes for words of a reference: `module` counts `MODULES`, places count words from 0. */
export type Match = {
  module: number;
  referenceStart: number;
  referenceLength: number;
  candidateStart: number;
  candidateLength: number;
};
