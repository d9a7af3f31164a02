import * as v from 'valibot';
import { DataError, UsageError } from '../core/errors';
import { type BlockCache, inBlocks } from './blocks';
import { readJSON, writeJSON } from './checkpoint';
import { type HubOptions, type HubRepository, isHubId, openRepository } from './hub';
import { checkName, checkRange } from './names';
import { persistentFetch } from './persistentFetch';
import { httpStore } from './stores';
import type { Store } from './types';

export type PretrainedOptions<Cache = Store | string> = HubOptions & {
  /** Where files of the hub are kept for the next time: a store or, in Node, a folder; false keeps none. */
  cache?: Cache | false;
  /** Read only what the cache holds, and ask no server. */
  offline?: boolean;
  /** Called as bytes of a file come in; counts are of that file. */
  onProgress?: (progress: { file: string; loaded: number; total: number }) => void;
};

/**
 * The files of a published model: by the address of a folder on a web server, or by its id on the Hugging Face hub, such as
 * `Salesforce/blip-image-captioning-base`. Files are read in parts as they are needed. All come from one commit of the hub,
 * that of `revision` when the store was opened.
 *
 * `options.cache`: a store of the browser, such as `opfsStore('models')`; by default nothing is kept
 * @throws UsageError where that is neither; DataError where there is no such model or it cannot be fetched
 */
export async function openPretrained(idOrURL: string | URL, options: PretrainedOptions = {}): Promise<Store> {
  const { revision = 'main', cache, offline = false, hubURL, token, signal, onProgress } = options;
  if (isWebAddress(idOrURL)) return openAddress(idOrURL, options);
  if (typeof idOrURL !== 'string' || !isHubId(idOrURL))
    throw new UsageError(
      `'${idOrURL}' is neither the address of a folder nor an id of the hub, such as 'Salesforce/blip-image-captioning-base'. ` +
        'In Node, folders are opened by openPretrained of tfjs-captioning/node.',
    );
  if (typeof cache === 'string')
    throw new UsageError(`cache is '${cache}', but folders are for Node. Give a store, such as opfsStore('models').`);
  const kept = cache || undefined;
  if (offline && !kept) throw new UsageError('offline: true needs a cache to read from.');
  const repository = offline
    ? await rememberedRepository(idOrURL, revision, kept!)
    : await openRepository(idOrURL, {
        revision,
        ...(hubURL !== undefined && { hubURL }),
        ...(token !== undefined && { token }),
        ...(signal && { signal }),
      });
  if (kept && !offline) await rememberRepository(repository, revision, kept);
  return inBlocks(repositoryStore(repository), {
    ...(kept && { cache: blocksIn(kept, repository) }),
    ...(onProgress && { onProgress }),
  });
}

export const isWebAddress = (source: string | URL) => /^https?:/i.test(`${source}`);

/** A folder on a web server; what only the hub has is refused. */
export function openAddress(
  url: string | URL,
  { revision, offline, token, signal, onProgress }: PretrainedOptions<unknown>,
): Store {
  if (revision !== undefined || offline)
    throw new UsageError(
      `${url} is an address, which has no revisions and is not kept. Leave out revision and offline.`,
    );
  return inBlocks(httpStore(url, { fetch: persistentFetch({ signal, token }), signal }), {
    ...(onProgress && { onProgress }),
  });
}

/** The files of a model on the hub; nothing is kept. */
export function repositoryStore(repository: HubRepository): Store {
  const location = `${repository.id} (${repository.commit.slice(0, 7)})`;
  const refuse = async (action: string): Promise<never> => {
    throw new UsageError(`${location} can only be read, not ${action}. Use a folder or a browser's storage for that.`);
  };
  return {
    location,
    async read(name, range) {
      checkName(name);
      const size = repository.files.get(name)?.size;
      if (size === undefined) throw new DataError(`'${name}' is not in ${location}.`);
      if (range) checkRange(name, range, size);
      return repository.read(name, range ?? { start: 0, end: size });
    },
    size: async (name) => repository.files.get(name)?.size,
    list: async (prefix = '') => [...repository.files.keys()].filter((name) => name.startsWith(prefix)).sort(),
    write: () => refuse('written'),
    remove: () => refuse('changed'),
  };
}

const folderOf = (id: string) => `models--${id.replaceAll('/', '--')}`;

/** Blocks of a commit, whose files never change. */
const blocksIn = (store: Store, { id, commit }: HubRepository): BlockCache => {
  const at = (name: string, block: number) => `${folderOf(id)}/blocks/${commit}/${name}/${block}`;
  return {
    read: async (name, block) =>
      (await store.size(at(name, block))) === undefined ? undefined : store.read(at(name, block)),
    write: (name, block, bytes) => store.write(at(name, block), bytes),
  };
};

const rememberedSchema = v.object({
  commit: v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/)),
  files: v.array(
    v.tuple([
      v.string(),
      v.object({ size: v.pipe(v.number(), v.integer()), sum: v.string(), kind: v.picklist(['sha256', 'sha1']) }),
    ]),
  ),
});

/** What a revision stood for, and the list of its files, for when the hub is not asked. */
async function rememberRepository({ id, commit, files }: HubRepository, revision: string, cache: Store): Promise<void> {
  for (const name of new Set([revision, commit]))
    await writeJSON(cache, `${folderOf(id)}/refs/${name}.json`, { commit, files: [...files] });
}

async function rememberedRepository(id: string, revision: string, cache: Store): Promise<HubRepository> {
  const name = `${folderOf(id)}/refs/${revision}.json`;
  if ((await cache.size(name)) === undefined)
    throw new DataError(`${id} at ${revision} is not in ${cache.location}. Open it once without offline: true.`);
  const { commit, files } = await readJSON(cache, name, rememberedSchema);
  return {
    id,
    commit,
    files: new Map(files),
    read: async (file) => {
      throw new DataError(
        `A part of '${file}' of ${id} is not in ${cache.location}. Read it once without offline: true.`,
      );
    },
  };
}
