import { DataError, UsageError } from '../core/errors';
import { checkName, checkRange, type Range } from './names';
import type { Store } from './types';

const missing = (name: string, location: string) => new DataError(`'${name}' is not in ${location}.`);

/** Keeps everything in memory, for tests and for models that are built where they are used. */
export function memoryStore(): Store {
  const files = new Map<string, Uint8Array>();
  const location = 'memory';
  return {
    location,
    async read(name, range) {
      checkName(name);
      const bytes = files.get(name);
      if (!bytes) throw missing(name, location);
      if (range) checkRange(name, range, bytes.length);
      return bytes.slice(range?.start, range?.end);
    },
    async size(name) {
      checkName(name);
      return files.get(name)?.length;
    },
    async write(name, bytes) {
      checkName(name);
      files.set(name, bytes.slice());
    },
    async list(prefix = '') {
      return [...files.keys()].filter((name) => name.startsWith(prefix)).sort();
    },
    async remove(name) {
      checkName(name);
      files.delete(name);
    },
  };
}

/**
 * Reads from a web server; ranges are fetched alone where the server can. From one that cannot, a file comes whole and stays in
 * memory until a range of another is read. A server has no list of its files, and nothing can be written.
 *
 * @param url - the folder; in a browser it may be relative to the page
 * `options.fetch`: what asks the server, such as to send a password along
 * `options.signal`: its reason is thrown as it is where `fetch` stops because of it
 * @throws UsageError where that is no address
 */
export function httpStore(url: string | URL, { fetch = globalThis.fetch, signal }: HttpOptions = {}): Store {
  const page = globalThis.location?.href;
  if (!URL.canParse(url, page))
    throw new UsageError(`'${url}' is not an address. Give a whole one, such as 'https://example.org/models/mine'.`);
  const base = new URL(url, page);
  const refuse = async (action: string): Promise<never> => {
    throw new UsageError(`${base.href} can only be read, not ${action}. Use a folder or a browser's storage for that.`);
  };
  const locate = (name: string) => {
    checkName(name);
    const target = new URL(base);
    target.pathname = `${base.pathname.replace(/\/$/, '')}/${name.split('/').map(encodeURIComponent).join('/')}`;
    return target.href;
  };
  let last: { url: string; bytes: Uint8Array } | undefined;
  return {
    location: base.href,
    async read(name, range) {
      const url = locate(name);
      if (range && last?.url === url) {
        checkRange(url, range, last.bytes.length);
        return last.bytes.slice(range.start, range.end);
      }
      const { bytes, whole } = await fetchBytes({ fetch, signal }, url, range);
      if (range && whole) last = { url, bytes: whole };
      return bytes;
    },
    size: async (name) => fetchSize({ fetch, signal }, locate(name)),
    write: () => refuse('written'),
    list: () => refuse('listed'),
    remove: () => refuse('changed'),
  };
}

type HttpOptions = { fetch?: typeof globalThis.fetch; signal?: AbortSignal | undefined };
type Asking = { fetch: typeof globalThis.fetch; signal: AbortSignal | undefined };

async function ask({ fetch, signal }: Asking, url: string, init: RequestInit): Promise<Response> {
  return fetch(url, init).catch((cause: Error) => {
    signal?.throwIfAborted();
    throw unfetched(
      url,
      `${cause.message}. Is the server up and, in a browser, does it allow this page (CORS)?`,
      cause,
    );
  });
}

/** The bytes, and those of the whole file where that is what came. */
async function fetchBytes(
  asking: Asking,
  url: string,
  range?: Range,
): Promise<{ bytes: Uint8Array; whole?: Uint8Array }> {
  if (range && range.start === range.end) return { bytes: new Uint8Array(0) };
  const headers: HeadersInit = range ? { Range: `bytes=${range.start}-${range.end - 1}` } : {};
  const response = await ask(asking, url, { headers });
  if (!response.ok)
    throw unfetched(url, `status ${response.status} ${response.statusText}. Is it the right address, and open to all?`);
  const body = await response.arrayBuffer().catch((cause: Error) => {
    asking.signal?.throwIfAborted();
    throw unfetched(url, `${cause.message} while it came in. Try again.`, cause);
  });
  const came = new Uint8Array(body);
  if (!range) return { bytes: came };
  if (response.status === 206) {
    checkRange(url, { start: 0, end: range.end - range.start }, came.length);
    return { bytes: came.subarray(0, range.end - range.start) };
  }
  checkRange(url, range, came.length);
  return { bytes: came.slice(range.start, range.end), whole: came };
}

/** The size that the server states, or else that of the file itself; undefined where there is none. */
async function fetchSize(asking: Asking, url: string): Promise<number | undefined> {
  const response = await ask(asking, url, { method: 'HEAD' });
  if (response.status === 404 || response.status === 410) return undefined;
  // What is compressed on its way has another length there.
  const stated = response.headers.get('content-encoding') === null ? response.headers.get('content-length') : null;
  if (response.ok && stated !== null && /^\d+$/.test(stated)) return Number(stated);
  return (await fetchBytes(asking, url)).bytes.length;
}

const unfetched = (url: string, why: string, cause?: unknown) =>
  new DataError(`${url} could not be fetched: ${why}`, { cause });

/**
 * Keeps files in IndexedDB, which every browser has.
 *
 * @param database - its name, of your own choice
 */
export function indexedDBStore(database: string): Store {
  const location = `IndexedDB '${database}'`;
  const run = async <T>(mode: IDBTransactionMode, ask: (files: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    try {
      return await transact(database, mode, ask);
    } catch (cause) {
      throw storageError(location, cause);
    }
  };
  return {
    location,
    async read(name, range) {
      checkName(name);
      const bytes = await run<Uint8Array | undefined>('readonly', (files) => files.get(name));
      if (!bytes) throw missing(name, location);
      if (range) checkRange(name, range, bytes.length);
      return range ? bytes.slice(range.start, range.end) : bytes;
    },
    async size(name) {
      checkName(name);
      return (await run<Uint8Array | undefined>('readonly', (files) => files.get(name)))?.length;
    },
    async write(name, bytes) {
      checkName(name);
      // A slice, because a view would be stored with all of the memory that it looks into.
      await run('readwrite', (files) => files.put(bytes.slice(), name));
    },
    async list(prefix = '') {
      const names = await run('readonly', (files) => files.getAllKeys());
      return names
        .map(String)
        .filter((name) => name.startsWith(prefix))
        .sort();
    },
    async remove(name) {
      checkName(name);
      await run('readwrite', (files) => files.delete(name));
    },
  };
}

/** Opens the database for one transaction, so that no connection stays behind to block another page. */
function transact<T>(
  database: string,
  mode: IDBTransactionMode,
  ask: (files: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(database, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('files');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const connection = opening.result;
      const transaction = connection.transaction('files', mode, { durability: 'strict' });
      const request = ask(transaction.objectStore('files'));
      transaction.oncomplete = () => {
        connection.close();
        resolve(request.result);
      };
      transaction.onabort = () => {
        connection.close();
        reject(transaction.error);
      };
    };
  });
}

/**
 * Keeps files in the origin private file system, which is faster than IndexedDB for large ones and reads ranges alone.
 * A write that was cut short the first time leaves a file of no bytes; such files count as absent.
 *
 * @param folder - its name, of your own choice
 */
export function opfsStore(folder: string): Store {
  const location = `browser files '${folder}'`;
  const open = async (parts: readonly string[], create: boolean) => {
    let handle = await navigator.storage.getDirectory();
    for (const part of [folder, ...parts]) handle = await handle.getDirectoryHandle(part, { create });
    return handle;
  };
  const split = (name: string) => {
    checkName(name);
    const parts = name.split('/');
    return { parents: parts.slice(0, -1), file: parts.at(-1)! };
  };
  return {
    location,
    async read(name, range) {
      const { parents, file } = split(name);
      try {
        const blob = await (await (await open(parents, false)).getFileHandle(file)).getFile();
        if (blob.size === 0) throw missing(name, location);
        if (range) checkRange(name, range, blob.size);
        return new Uint8Array(await (range ? blob.slice(range.start, range.end) : blob).arrayBuffer());
      } catch (cause) {
        throw isNotFound(cause) ? missing(name, location) : storageError(location, cause);
      }
    },
    async size(name) {
      const { parents, file } = split(name);
      try {
        const { size } = await (await (await open(parents, false)).getFileHandle(file)).getFile();
        return size === 0 ? undefined : size;
      } catch (cause) {
        if (isNotFound(cause)) return undefined;
        throw storageError(location, cause);
      }
    },
    async write(name, bytes) {
      const { parents, file } = split(name);
      if (bytes.length === 0) throw new UsageError(`'${name}' has no bytes to write to ${location}.`);
      try {
        const handle = await (await open(parents, true)).getFileHandle(file, { create: true });
        const stream = await handle.createWritable(); // writes beside the file and replaces it when closed
        try {
          await stream.write(bytes.slice());
          await stream.close();
        } catch (cause) {
          await stream.abort().catch(() => {}); // a stream that failed by itself is closed already
          throw cause;
        }
      } catch (cause) {
        throw storageError(location, cause);
      }
    },
    async list(prefix = '') {
      const names: string[] = [];
      const walk = async (directory: FileSystemDirectoryHandle, path: string): Promise<void> => {
        for await (const [name, handle] of directory.entries()) {
          if (handle instanceof FileSystemDirectoryHandle) await walk(handle, `${path}${name}/`);
          else if ((await (handle as FileSystemFileHandle).getFile()).size > 0) names.push(path + name);
        }
      };
      try {
        await walk(await open([], false), '');
      } catch (cause) {
        if (!isNotFound(cause)) throw storageError(location, cause);
      }
      return names.filter((name) => name.startsWith(prefix)).sort();
    },
    async remove(name) {
      const { parents, file } = split(name);
      try {
        await (await open(parents, false)).removeEntry(file);
      } catch (cause) {
        if (!isNotFound(cause)) throw storageError(location, cause);
      }
    },
  };
}

const isNotFound = (cause: unknown) => cause instanceof DOMException && cause.name === 'NotFoundError';

const remedies: Record<string, string> = {
  QuotaExceededError: 'The storage of this site is full: remove old models, or free space on the disk.',
  TypeMismatchError: 'A folder lies where a file should, or the other way: choose another name.',
};

/** Errors of a browser's storage, which say little by themselves. */
function storageError(location: string, cause: unknown): DataError {
  if (cause instanceof DataError) return cause;
  const { name, message } = cause as DOMException;
  const remedy = remedies[name] ?? 'Private windows and some settings forbid storage: try an ordinary window.';
  return new DataError(`${location} failed: ${name}: ${message.replace(/\.$/, '')}. ${remedy}`, { cause });
}
