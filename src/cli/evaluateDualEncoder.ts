import type { Command } from 'commander';
import * as v from 'valibot';
import { UsageError } from '../core/errors';
import type { Dataset } from '../data/types';
import { readJSON } from '../io/checkpoint';
import type { Store } from '../io/types';
import { DualEncoder } from '../models/dualEncoder';
import type { RetrievalScores } from '../retrieval/recall';
import { evaluateRetrieval, type RetrievalEvaluation } from '../training/evaluateRetrieval';
import { Progress } from './progress';

/** Options of `evaluate` that a dual encoder has a use for. */
const used = new Set([
  'dataPath',
  'layout',
  'splitShares',
  'downloads',
  'modelPath',
  'split',
  'batchSize',
  'output',
  'json',
]);

export async function isDualEncoder(store: Store): Promise<boolean> {
  if ((await store.size('config.json')) === undefined) return false; // is told by who loads it
  const { architecture } = await readJSON(store, 'config.json', v.object({ architecture: v.optional(v.unknown()) }));
  return architecture === 'dual-encoder';
}

/** Refuses what belongs to captions. */
export function expectRetrievalOptions(command: Command): void {
  const strange = command.options.find(
    (option) => !used.has(option.attributeName()) && command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  if (strange)
    throw new UsageError(
      `${strange.long} belongs to captions, but the model is a dual encoder, which finds. Leave it out.`,
    );
}

/** How well a dual encoder finds the pictures of a data set by their captions, and the captions by their pictures. */
export async function evaluateDualEncoder(
  store: Store,
  data: Dataset,
  { batchSize, signal }: { batchSize: number; signal: AbortSignal },
): Promise<RetrievalEvaluation> {
  const model = await DualEncoder.load(store);
  const progress = new Progress();
  try {
    return await evaluateRetrieval(model, data, {
      batchSize,
      signal,
      onProgress: (done, total) => progress.show(`${done} of ${total} pictures`),
    });
  } finally {
    progress.end();
    model.dispose();
  }
}

/** Recalls and ranks of both directions, a column each. */
export function retrievalTable({ textToImage, imageToText }: RetrievalEvaluation): string {
  const rows = (Object.keys(textToImage) as (keyof RetrievalScores)[]).map((name) => {
    const shown = (value: number) => (name.startsWith('recall') ? value.toFixed(4) : value.toFixed(1));
    return [name, shown(textToImage[name]), shown(imageToText[name])];
  });
  return [['', 'text to image', 'image to text'], ...rows]
    .map(([name, ...values]) => [name!.padEnd(10), ...values.map((value) => value.padStart(13))].join('  '))
    .join('\n');
}
