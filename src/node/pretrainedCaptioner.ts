import type { Store } from '../io/types';
import { type FromPretrainedOptions, fromPretrained as fromStore } from '../models/fromPretrained';
import type { PretrainedCaptioner } from '../models/pretrainedCaptioner';
import { openPretrained } from './pretrained';

/**
 * `fromPretrained` that takes folders too, and keeps files of the hub where Hugging Face's own libraries do.
 *
 * @param source - a folder, the address of one, an id of the Hugging Face hub, or a store
 * @throws DataError that says what is missing, damaged, or not supported
 */
export async function fromPretrained(
  source: string | URL | Store,
  { file, dropout, ...options }: FromPretrainedOptions = {},
): Promise<PretrainedCaptioner> {
  const store = typeof source === 'string' || source instanceof URL ? await openPretrained(source, options) : source;
  return fromStore(store, { ...(file !== undefined && { file }), ...(dropout !== undefined && { dropout }) });
}
