import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DataError } from '../core/errors';
import { checkName, checkRange } from '../io/names';
import type { Store } from '../io/types';

/** Files being written; one that a crash left behind is never listed and cannot be read or written by name. */
const temporary = /(^|\/)\.[^/]*\.tmp$/;

/**
 * A folder as a store; it is made when something is first written. A write appears whole or not at all, also when the
 * power fails: a temporary file is written, synced and renamed, and the folder synced.
 *
 * @param path - relative to where the process stands now; a later change of that does not matter
 */
export function directory(path: string): Store {
  const root = resolve(path);
  const locate = (name: string) => {
    checkName(name);
    if (temporary.test(name))
      throw new DataError(`'${name}' cannot be a name in a folder: it is kept for files being written.`);
    return join(root, name);
  };
  return {
    location: root,
    async read(name, range) {
      const file = locate(name);
      return explained(`read ${file}`, async () => {
        const handle = await open(file, 'r');
        try {
          const status = await handle.stat();
          if (!status.isFile()) throw new DataError(`Could not read ${file}: it is not a file.`);
          if (range) checkRange(file, range, status.size);
          return await readFully(handle, file, range ?? { start: 0, end: status.size });
        } finally {
          await handle.close();
        }
      });
    },
    async size(name) {
      const file = locate(name);
      // A path through a file, or to a folder, names no file either.
      const status = await explained(`look for ${file}`, () =>
        stat(file).catch((cause: NodeJS.ErrnoException) => {
          if (['ENOENT', 'ENOTDIR'].includes(cause.code ?? '')) return undefined;
          throw cause;
        }),
      );
      return status?.isFile() ? status.size : undefined;
    },
    async write(name, bytes) {
      const file = locate(name);
      const folder = dirname(file);
      const draft = join(folder, `.${randomUUID()}.tmp`);
      await explained(`write ${file}`, async () => {
        const made = await mkdir(folder, { recursive: true });
        try {
          const handle = await open(draft, 'wx');
          try {
            await handle.writeFile(bytes);
            await handle.sync();
          } finally {
            await handle.close();
          }
          await rename(draft, file);
        } catch (cause) {
          await rm(draft, { force: true });
          throw cause;
        }
        await syncFolder(folder);
        // Folders made on the way are named in their parents, up to the one that was there before.
        for (let at = folder; made !== undefined && at.length >= made.length; at = dirname(at))
          await syncFolder(dirname(at));
      });
    },
    async list(prefix = '') {
      const names = await explained(`list ${root}`, () => walk(root, ''));
      return names.filter((name) => name.startsWith(prefix) && !temporary.test(name)).sort();
    },
    async remove(name) {
      const file = locate(name);
      await explained(`remove ${file}`, () => rm(file, { force: true }));
    },
  };
}

/** Reads in pieces, because one read takes at most 2 GiB. */
async function readFully(handle: FileHandle, file: string, { start, end }: { start: number; end: number }) {
  const bytes = new Uint8Array(end - start);
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(bytes.length - at, 2 ** 30), start + at);
    if (bytesRead === 0) throw new DataError(`${file} became shorter while it was read. Is something writing to it?`);
    at += bytesRead;
  }
  return bytes;
}

/** Names of all files under a folder, linked ones too; a folder that is not there has none, one that is linked is not entered. */
async function walk(folder: string, path: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw cause;
  });
  const names = await Promise.all(
    entries.map(async (entry) => {
      const [inside, name] = [join(folder, entry.name), path + entry.name];
      if (entry.isDirectory()) return walk(inside, `${name}/`);
      // A link that leads nowhere is no file.
      const file = entry.isSymbolicLink() ? await stat(inside).catch(() => undefined) : entry;
      return file?.isFile() ? [name] : [];
    }),
  );
  return names.flat();
}

/** Makes a rename last through a power failure, where the system lets a folder be synced (Windows does not). */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch (cause) {
    // Some network file systems cannot, and a folder may be writable but not readable; the write itself is done.
    if (!['EINVAL', 'ENOTSUP', 'EACCES'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
  }
}

const reasons: Record<string, string> = {
  ENOENT: 'it is not there. Is the path right?',
  EISDIR: 'it is a folder. Name a file in it.',
  ERR_FS_EISDIR: 'it is a folder. Name a file in it.',
  ENOTDIR: 'a part of its path is a file. Move that file, or choose another folder.',
  EEXIST: 'a part of its path is a file. Move that file, or choose another folder.',
  EACCES: 'there is no permission. Change the permissions, or choose another folder.',
  EPERM: 'the system does not permit it. Change the permissions, or choose another folder.',
  EROFS: 'the disk can only be read. Choose a folder on another disk.',
  ENOSPC: 'the disk is full. Free space, or choose a folder on another disk.',
  EDQUOT: 'your share of the disk is used up. Free space, or choose a folder on another disk.',
  EMFILE: 'too many files are open. Raise the limit (ulimit -n), or close some.',
  ELOOP: 'its links lead in a circle. Replace them by the file.',
  ENAMETOOLONG: 'its name is too long. Choose a shorter one.',
};

/** Turns what the system answers into a `DataError` that says what failed, why, and what to do. */
async function explained<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    const reason = reasons[(cause as NodeJS.ErrnoException).code ?? ''];
    if (reason === undefined) throw cause;
    throw new DataError(`Could not ${what}: ${reason}`, { cause });
  }
}
