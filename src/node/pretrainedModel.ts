import type { Store } from '../io/types';
import {
  modelFromPretrained as fromStore,
  type ModelFromPretrainedOptions,
  type PretrainedModel,
  type PretrainedModels,
} from '../models/modelFromPretrained';
import { openPretrained } from './pretrained';

/**
 * `modelFromPretrained` that takes folders too, and keeps files of the hub where Hugging Face's own libraries do.
 *
 * @param kind - which model, such as `clip`
 * @param source - a folder, the address of one, an id of the Hugging Face hub, or a store
 * @throws DataError that says what is missing, damaged, or not supported
 */
export async function modelFromPretrained<Kind extends keyof PretrainedModels>(
  kind: Kind,
  source: string | URL | Store,
  { file, config, ...options }: ModelFromPretrainedOptions = {},
): Promise<PretrainedModel<PretrainedModels[Kind]>> {
  const store = typeof source === 'string' || source instanceof URL ? await openPretrained(source, options) : source;
  return fromStore(kind, store, { ...(file !== undefined && { file }), ...(config && { config }) });
}
