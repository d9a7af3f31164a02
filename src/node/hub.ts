import { DataError, UsageError } from '../core/errors';
import {
  checkRevision,
  type HubFile,
  type HubOptions,
  type HubRepository,
  hubFile,
  isCommit,
  refused,
  unreached,
} from '../io/hub';
import { checkRange } from '../io/names';
import { type Fetch, persistentFetch } from '../io/persistentFetch';

/** A model on the hub whose files can be had as blobs, slices of which are fetched alone. */
export type BlobRepository = HubRepository & { open(name: string): Promise<Blob> };

/**
 * Asks the hub for a model through Hugging Face's own library: the commit that the revision stands for now, and its files.
 *
 * @throws DataError where there is no such model or revision, it is not open, or the hub is not reached
 */
export async function openBlobRepository(
  id: string,
  { revision = 'main', token, hubURL, signal }: HubOptions = {},
): Promise<BlobRepository> {
  checkRevision(revision);
  const hub = await import('@huggingface/hub');
  const common = {
    fetch: withRanges(persistentFetch({ signal, token })),
    ...(hubURL !== undefined && { hubUrl: hubURL.replace(/\/$/, '') }),
  };
  const explained = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof DataError || cause instanceof UsageError) throw cause;
      if (cause instanceof hub.HubApiError)
        throw refused(what, cause.statusCode, `(${cause.message.split('. URL')[0]})`);
      throw unreached(what, cause as Error);
    }
  };
  const commit = isCommit(revision)
    ? revision
    : await explained(`${id} at ${revision}`, async () => {
        const { sha } = await hub.modelInfo({ name: id, revision, additionalFields: ['sha'], ...common });
        return sha;
      });
  if (!isCommit(commit)) throw new DataError(`The hub names no commit of ${id} at ${revision}. Is hubURL right?`);
  const files = await explained(`The list of ${id} at ${revision}`, async () => {
    const found = new Map<string, HubFile>();
    for await (const entry of hub.listFiles({ repo: id, recursive: true, revision: commit, ...common }))
      if (entry.type === 'file') found.set(entry.path, hubFile(id, entry));
    return found;
  });
  const open = (name: string) =>
    explained(`'${name}' of ${id} at ${revision}`, async () => {
      // Plain requests serve slices of every file; the other protocol of the hub is for storage that is shared between files.
      const blob = await hub.downloadFile({ repo: id, path: name, revision: commit, xet: false, ...common });
      if (!blob) throw new DataError(`'${name}' is not in ${id} at ${revision}.`);
      const listed = files.get(name)?.size;
      if (blob.size !== listed)
        throw new DataError(
          `'${name}' of ${id} has ${blob.size} bytes on the hub but ${listed} in its list. Try again.`,
        );
      return blob;
    });
  const read: HubRepository['read'] = async (name, range) => {
    const blob = await open(name);
    const { start, end } = range ?? { start: 0, end: blob.size };
    checkRange(name, { start, end }, blob.size);
    if (start === end) return new Uint8Array(0);
    const bytes = await explained(`'${name}' of ${id}`, () => blob.slice(start, end).arrayBuffer());
    checkRange(name, { start: 0, end: end - start }, bytes.byteLength);
    return new Uint8Array(bytes);
  };
  return { id, commit, files, read, open };
}

/** The library would put a part of a file that comes as the whole of it in the wrong place. */
function withRanges(fetch: Fetch): Fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    const range = new Headers(init?.headers).get('range');
    if (range === null || range === 'bytes=0-0' || response.status !== 200) return response;
    await response.body?.cancel();
    throw new DataError(`${response.url} was asked for ${range} but answered with the whole file. Is hubURL right?`);
  };
}
