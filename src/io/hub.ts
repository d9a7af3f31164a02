import * as v from 'valibot';
import { DataError, UsageError } from '../core/errors';
import { checkName } from './names';
import { persistentFetch } from './persistentFetch';
import { httpStore } from './stores';
import type { Store } from './types';

export type HubOptions = {
  /** A branch, a tag or a commit; by default `main`. */
  revision?: string;
  /** For models that are not open to all. */
  token?: string;
  /** Where the hub is; by default `https://huggingface.co`. */
  hubURL?: string;
  signal?: AbortSignal;
};

/** A file of a model on the hub; `sum` is that of its content or, for small ones, git's. */
export type HubFile = { size: number; sum: string; kind: 'sha256' | 'sha1' };

/** A model on the hub as it stood at one commit. */
export type HubRepository = {
  id: string;
  commit: string;
  files: ReadonlyMap<string, HubFile>;
  /** Bytes of a file. */
  read: Store['read'];
};

export const isCommit = (revision: unknown): revision is string =>
  typeof revision === 'string' && /^[0-9a-f]{40}$/.test(revision);

/** Whether a text has the form of a hub's id: a name, or the name of an owner and that of a model. */
export const isHubId = (text: string) =>
  /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/.test(text) && !text.includes('..') && !text.includes('--');

/** Checks the revision of a model before it becomes part of an address. */
export function checkRevision(revision: string): void {
  if (/^[\w.+-]+(\/[\w.+-]+)*$/.test(revision) && !revision.includes('..')) return;
  throw new UsageError(`'${revision}' cannot be a revision. Give the name of a branch or a tag, or a commit.`);
}

const infoSchema = v.looseObject({ sha: v.string() });
const treeSchema = v.array(
  v.looseObject({
    type: v.string(),
    path: v.string(),
    size: v.optional(v.number()),
    oid: v.optional(v.string()),
    lfs: v.nullish(v.looseObject({ oid: v.string(), size: v.number() })),
  }),
);

/**
 * Asks the hub for a model, by plain requests: the commit that the revision stands for now, and its files.
 *
 * @throws DataError where there is no such model or revision, it is not open, or the hub is not reached
 */
export async function openRepository(
  id: string,
  { revision = 'main', token, hubURL = 'https://huggingface.co', signal }: HubOptions = {},
): Promise<HubRepository> {
  checkRevision(revision);
  const base = hubURL.replace(/\/$/, '');
  const fetch = persistentFetch({ signal, token });
  const what = `${id} at ${revision}`;
  const ask = async <S extends v.GenericSchema>(address: string, schema: S) => {
    const response = await fetch(address).catch((cause: Error) => {
      signal?.throwIfAborted();
      throw unreached(what, cause);
    });
    if (!response.ok) throw refused(what, response.status, response.statusText);
    const checked = v.safeParse(schema, await response.json().catch(() => undefined));
    if (!checked.success) throw new DataError(`${address} did not answer as the hub does. Is hubURL right?`);
    return { value: checked.output as v.InferOutput<S>, link: response.headers.get('link') };
  };
  const commit = isCommit(revision)
    ? revision
    : (await ask(`${base}/api/models/${id}/revision/${encodeURIComponent(revision)}`, infoSchema)).value.sha;
  if (!isCommit(commit)) throw new DataError(`The hub names no commit of ${what}. Is hubURL right?`);
  const files = new Map<string, HubFile>();
  for (let address: string | undefined = `${base}/api/models/${id}/tree/${commit}?recursive=true`; address; ) {
    const page: { value: v.InferOutput<typeof treeSchema>; link: string | null } = await ask(address, treeSchema);
    for (const entry of page.value) if (entry.type === 'file') files.set(entry.path, hubFile(id, entry));
    address = /<([^>]+)>;\s*rel="next"/.exec(page.link ?? '')?.[1];
  }
  const { read } = httpStore(`${base}/${id}/resolve/${commit}`, { fetch, signal });
  return { id, commit, files, read };
}

type HubEntry = {
  path: string;
  size?: number | undefined;
  oid?: string | undefined;
  lfs?: { oid: string; size: number } | null | undefined;
};

/** An entry of the hub's list, checked. */
export function hubFile(id: string, { path, size, oid, lfs }: HubEntry): HubFile {
  checkName(path);
  const [bytes, sum] = lfs ? [lfs.size, lfs.oid] : [size, oid];
  const form = lfs ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/;
  if (bytes === undefined || !Number.isSafeInteger(bytes) || bytes < 0 || !form.test(sum ?? ''))
    throw new DataError(`The hub lists '${path}' of ${id} without its size or sum. Is hubURL right?`);
  return { size: bytes, sum: sum!, kind: lfs ? 'sha256' : 'sha1' };
}

/** The hub did not answer at all. */
export class HubUnreached extends DataError {}

export function unreached(what: string, cause: Error): HubUnreached {
  const why = cause.cause instanceof Error ? `${cause.message}, ${cause.cause.message}` : cause.message;
  return new HubUnreached(
    `${what} could not be fetched: ${why}. Is the network up? What was fetched before can be read with { offline: true }.`,
    { cause },
  );
}

export function refused(what: string, status: number, message: string): DataError {
  const remedies: Record<number, string> = {
    401: 'It is not there, or not open to all: check the spelling, or ask for access on its page and give { token }.',
    403: 'It is not open to all: ask for access on its page and give { token }.',
    404: 'There is no such model, revision or file: check the spelling.',
  };
  return new DataError(
    `${what} could not be fetched: status ${status} ${message}. ${remedies[status] ?? 'Try again later.'}`,
  );
}
