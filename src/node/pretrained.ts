import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError, UsageError } from '../core/errors';
import { inBlocks } from '../io/blocks';
import { checkRevision, isHubId } from '../io/hub';
import {
  isWebAddress,
  openAddress,
  openPretrained as openInParts,
  type PretrainedOptions,
  repositoryStore,
} from '../io/pretrained';
import type { Store } from '../io/types';
import { directory } from './directory';
import { openBlobRepository } from './hub';
import { cachedRepository } from './hubCache';

/**
 * The files of a published model: a folder, the address of one on a web server, or an id on the Hugging Face hub, such as
 * `Salesforce/blip-image-captioning-base`. A folder that is there comes before an id of the same name.
 *
 * Files of the hub are fetched when they are first read and kept; all come from one commit, that of `revision` when the store
 * was opened. Where the hub cannot be reached, what is kept is read.
 *
 * `options.cache`: a folder; by default that of Hugging Face's own libraries (`HF_HOME`, else `~/.cache/huggingface/hub`). In a
 *   store, which may be one too, parts of files are kept as they are read.
 * @throws UsageError where that is none of the three; DataError where there is no such model or it cannot be fetched
 */
export async function openPretrained(idOrFolderOrURL: string | URL, options: PretrainedOptions = {}): Promise<Store> {
  const source = `${idOrFolderOrURL}`;
  if (isWebAddress(source)) return openAddress(source, options);
  const path = source.startsWith('file:') ? fileURLToPath(source) : source.replace(/^~(?=[/\\])/, homedir());
  const { revision = 'main', cache, offline, ...hub } = options;
  if ((await stat(path).catch(() => undefined))?.isDirectory()) {
    if (options.revision !== undefined)
      throw new UsageError(`'${path}' is a folder, which has no revisions. Leave out revision.`);
    return directory(path);
  }
  if (!isHubId(source))
    throw new DataError(
      `There is no folder '${path}', and an id of the hub looks like 'Salesforce/blip-image-captioning-base'.`,
    );
  checkRevision(revision);
  if (typeof cache === 'object') return openInParts(source, options);
  if (cache !== false) return cachedRepository(source, cache ?? (await defaultCache()), options);
  if (offline) throw new UsageError('offline: true needs a cache to read from.');
  const { onProgress, ...asked } = hub;
  return inBlocks(repositoryStore(await openBlobRepository(source, { revision, ...asked })), {
    ...(onProgress && { onProgress }),
  });
}

async function defaultCache(): Promise<string> {
  const { getHFHubCachePath } = await import('@huggingface/hub');
  return getHFHubCachePath().replace(/^~(?=[/\\])/, homedir()) || join(homedir(), '.cache/huggingface/hub');
}
