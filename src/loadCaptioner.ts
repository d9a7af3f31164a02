import * as v from 'valibot';
import { AttentionLSTMCaptioner, type AttentionLSTMLoadOptions } from './attentionLSTMCaptioner';
import { UsageError } from './core/errors';
import { readJSON } from './io/checkpoint';
import type { Store } from './io/types';
import { LSTMCaptioner } from './lstmCaptioner';
import { TransformerCaptioner } from './transformerCaptioner';

/** A captioner that was trained here. */
export type OwnCaptioner = AttentionLSTMCaptioner | LSTMCaptioner | TransformerCaptioner;

const configSchema = v.object({
  format: v.literal('tfjs-captioning'),
  architecture: v.picklist(['attention-lstm', 'lstm', 'transformer']),
});

/**
 * The captioner of a checkpoint, whatever its architecture.
 *
 * @param parts - an encoder or a mechanism of attention of your own, where it was made with one
 * @throws DataError that names the file which is missing, damaged or does not fit; UsageError for an attention where there is none
 */
export async function loadCaptioner(store: Store, parts: AttentionLSTMLoadOptions = {}): Promise<OwnCaptioner> {
  const { architecture } = await readJSON(store, 'config.json', configSchema);
  if (architecture === 'attention-lstm') return AttentionLSTMCaptioner.load(store, parts);
  const { attention, ...others } = parts;
  if (attention)
    throw new UsageError(
      `The captioner in ${store.location} is of the architecture '${architecture}', which takes no attention of your own.`,
    );
  return architecture === 'lstm' ? LSTMCaptioner.load(store, others) : TransformerCaptioner.load(store, others);
}
