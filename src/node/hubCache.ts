import { createHash, randomUUID } from 'node:crypto';
import { copyFile, mkdir, open, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { DataError, UsageError } from '../core/errors';
import { type HubFile, HubUnreached, isCommit } from '../io/hub';
import { checkName } from '../io/names';
import type { PretrainedOptions } from '../io/pretrained';
import type { Store } from '../io/types';
import { directory } from './directory';
import { type BlobRepository, openBlobRepository } from './hub';

/** Times that a download goes on after it was cut short. */
const CONTINUED = 4;

/**
 * A model of the hub whose files are fetched whole when they are first read, and kept in the folder and the layout that Hugging
 * Face's own libraries use, so that what Python has fetched is there already. Content is checked against its sum.
 *
 * @param folder - the cache
 */
export async function cachedRepository(
  id: string,
  folder: string,
  { revision = 'main', offline = false, onProgress, signal, ...hub }: PretrainedOptions,
): Promise<Store> {
  const root = join(folder, `models--${id.replaceAll('/', '--')}`);
  let repository: BlobRepository | undefined;
  let commit = isCommit(revision) ? revision : undefined;
  const ask = async (at: string) => {
    repository ??= await openBlobRepository(id, { ...hub, revision: at, ...(signal && { signal }) });
    return repository;
  };
  if (!commit) {
    const reference = join(root, 'refs', ...revision.split('/'));
    const known = (await readFile(reference, 'utf8').catch(() => '')).trim();
    const asked = offline
      ? undefined
      : await ask(revision).catch((error: unknown) => {
          // Without a network the model of the last time is better than none.
          if (error instanceof HubUnreached && isCommit(known)) return undefined;
          throw error;
        });
    commit = asked?.commit ?? known;
    if (!isCommit(commit))
      throw new DataError(`${id} at ${revision} is not in ${folder}. Open it once without offline: true.`);
    if (asked && commit !== known) {
      await mkdir(dirname(reference), { recursive: true });
      await writeFile(reference, commit);
    }
  }
  const pinned = commit;
  const snapshot = directory(join(root, 'snapshots', pinned));
  const fetching = new Map<string, Promise<void>>();
  const location = `${id} (${pinned.slice(0, 7)})`;

  /** Fetches a file that is not there yet, once however often it is asked for. */
  const fetched = async (name: string): Promise<void> => {
    if ((await snapshot.size(name)) !== undefined) return;
    if (offline)
      throw new DataError(`'${name}' of ${location} is not in ${folder}. Read it once without offline: true.`);
    const download = async () => {
      const found = await ask(pinned);
      const file = found.files.get(name);
      if (!file) throw new DataError(`'${name}' is not in ${location}.`);
      const blob = join(root, 'blobs', file.sum);
      if (file.size !== (await directory(join(root, 'blobs')).size(file.sum)))
        await downloadTo(blob, await found.open(name), file, `'${name}' of ${location}`, (loaded) => {
          signal?.throwIfAborted();
          onProgress?.({ file: name, loaded, total: file.size });
        });
      await link(blob, join(root, 'snapshots', pinned, ...name.split('/')));
    };
    const running = fetching.get(name) ?? download().finally(() => fetching.delete(name));
    fetching.set(name, running);
    await running;
  };

  const refuse = async (action: string): Promise<never> => {
    throw new UsageError(`${location} can only be read, not ${action}. Use directory(path) for that.`);
  };
  return {
    location,
    async read(name, range) {
      checkName(name);
      await fetched(name);
      return snapshot.read(name, range);
    },
    async size(name) {
      checkName(name);
      return (await snapshot.size(name)) ?? (offline ? undefined : (await ask(pinned)).files.get(name)?.size);
    },
    async list(prefix = '') {
      if (offline) return snapshot.list(prefix);
      return [...(await ask(pinned)).files.keys()].filter((name) => name.startsWith(prefix)).sort();
    },
    write: () => refuse('written'),
    remove: () => refuse('changed'),
  };
}

/** Writes a file of the hub whole or not at all; goes on where the connection was cut. */
async function downloadTo(
  path: string,
  blob: Blob,
  { size, sum, kind }: HubFile,
  what: string,
  report: (loaded: number) => void,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}.incomplete`;
  // Git's sum is that of the content behind a line of its own.
  const hash = createHash(kind);
  if (kind === 'sha1') hash.update(`blob ${size}\0`);
  const handle = await open(draft, 'wx');
  try {
    let loaded = 0;
    for (let cut = 0; loaded < size; cut++) {
      try {
        for await (const chunk of blob.slice(loaded, size).stream()) {
          await handle.writeFile(chunk);
          hash.update(chunk);
          loaded += chunk.length;
          report(loaded);
        }
        if (loaded < size) throw new Error(`the connection ended after ${loaded} of ${size} bytes`);
      } catch (cause) {
        report(loaded); // throws where the caller gave up
        if (cause instanceof DataError) throw cause;
        const reason = cause instanceof Error ? cause.message : `${cause}`;
        if (cut >= CONTINUED) throw new DataError(`${what} could not be fetched: ${reason}. Try again.`, { cause });
      }
    }
    if (loaded !== size || hash.digest('hex') !== sum)
      throw new DataError(`${what} came in damaged: its ${kind} sum is not the one that the hub states. Try again.`);
    await handle.sync();
    await handle.close();
    await rename(draft, path);
  } catch (error) {
    await handle.close().catch(() => {}); // it may be closed already
    await rm(draft, { force: true });
    throw error;
  }
}

/** Names a blob in a snapshot, by a link or, where the system has none, by a copy. */
async function link(blob: string, name: string): Promise<void> {
  await mkdir(dirname(name), { recursive: true });
  await rm(name, { force: true });
  await symlink(relative(dirname(name), blob), name).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') await copyFile(blob, name);
  });
}
