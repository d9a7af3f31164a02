import type { BackendName } from '../../backends/types';
import type { Share } from '../../training/parallel';
import type { Problem } from '../threadProblem';

/** What a thread is started with. */
export type ThreadSettings = { backend: BackendName; threads: number };

/** Where the numbers of a parameter lie in shared memory, counted in numbers. */
export type Place = { name: string; shape: number[]; offset: number; size: number };

/** What all threads share: places, the weights that the main thread writes, and the gradients that a thread writes. */
export type SharedParameters = { places: Place[]; weights: SharedArrayBuffer; gradients: SharedArrayBuffer };

/** Take this captioner, which comes as the files of a checkpoint. */
export type Open = SharedParameters & { files: Map<string, Uint8Array> };

/** Learn a share, if there is one; parameters with these places have changed, and with these are trained. */
export type Learn = { share: Share | undefined; changed: number[]; trained: number[] };

export type Task = { id: number } & ({ open: Open } | { learn: Learn });

/** What became of a share; `touched` are the places of the parameters that have gradients. */
export type Lesson = { loss: number; crossEntropy: number; captions: number; touched: number[] };

export type Answer = { id: number; lesson?: Lesson; problem?: Problem };
