import { convolutions } from './conv';
import { convolutionGradients } from './convGradients';
import { elementwise } from './elementwise';
import { layout } from './layout';
import { lookup } from './lookup';
import { matMul } from './matMul';
import { reductions } from './reduce';
import type { Kernel } from './types';

/** By tfjs' names; each may leave what it cannot do to the cpu backend. */
export const kernels: Readonly<Record<string, Kernel>> = {
  ...convolutionGradients,
  ...convolutions,
  ...elementwise,
  ...layout,
  ...lookup,
  ...matMul,
  ...reductions,
};
