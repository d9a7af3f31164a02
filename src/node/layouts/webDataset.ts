import { basename } from 'node:path';
import { DataError } from '../../core/errors';
import { type Row, splitOfFileName } from '../../data/layouts/entry';
import { splitMemberName } from '../../data/layouts/tar';
import { isPicture, isText, type Member, readSample } from '../../data/layouts/webDataset';
import { decodeUTF8 } from '../../data/utf8';
import { isGzipped } from '../fileBytes';
import { filesNamed, type Layout } from '../layout';
import { isOutside } from '../pictureFolders';
import { MOST_BODY, tarMembers } from '../tarMembers';

/**
 * Shards of WebDataset: tar files whose members share a key, `000012.jpg`, `000012.txt` and `000012.json`, one after the other.
 * A picture is read where it lies in the tar; out of a tar that is packed by gzip it goes to where captions are kept.
 */
export const webDataset: Layout = {
  lookedFor: 'WebDataset shards (.tar, .tar.gz)',
  async recognise(folder) {
    const packed = filesNamed(folder, /\.tar\.(?:xz|zst|bz2)$/i);
    const files = filesNamed(folder, /\.(?:tar(?:\.gz)?|tgz)$/i);
    if (files.length === 0 && packed.length === 0) return undefined;
    return {
      layout: 'webdataset',
      because: (files[0] ?? packed[0])!.path,
      pictureFolders: [folder.path],
      async *entries(): AsyncGenerator<Row> {
        for (const { path } of packed)
          yield {
            where: path,
            problem: 'is packed by something else than gzip, which cannot be read; unpack it to a .tar',
          };
        for (const { path } of files) {
          const split = splitOfFileName(basename(path));
          for await (const row of samples(path)) yield 'problem' in row || !split ? row : { split, ...row };
        }
      },
    };
  },
};

async function* samples(path: string): AsyncGenerator<Row> {
  let key: string | undefined;
  let members: Member[] = [];
  const finished = (): Row[] => {
    if (members.length === 0) return [];
    const where = `${path}, ${key}`;
    const read = readSample(key!, members);
    return 'problem' in read ? [{ where: path, problem: read.problem }] : [{ where, ...read }];
  };
  try {
    for await (const { name, type, offset, size, read } of tarMembers(path)) {
      if (type === '5') continue;
      const where = `${path}, ${name}`;
      if (isOutside(name)) {
        yield { where, problem: 'is a path outside of the folder; it is left out' };
        continue;
      }
      if (type !== '0' && type !== '7') {
        yield { where, problem: 'is a link or a device, not a file; it is left out' };
        continue;
      }
      const member = splitMemberName(name.replace(/^\.\//, ''));
      if (!isPicture(member.extension) && !isText(member.extension)) continue;
      if (member.key !== key) {
        yield* finished();
        [key, members] = [member.key, []];
      }
      const place = { file: path, offset, length: size };
      if (isPicture(member.extension)) {
        if (isGzipped(path) && size > MOST_BODY) {
          yield { where, problem: `has ${size} bytes, too many for a shard that is packed; unpack it to a .tar` };
          continue;
        }
        const picture = isGzipped(path) ? { base64: Buffer.from(await read()).toString('base64') } : place;
        members.push({ extension: member.extension, picture });
      } else {
        const body = decoded(await read(), where);
        if (body instanceof DataError) yield { where, problem: 'is not in UTF-8; it is left out' };
        else members.push({ extension: member.extension, picture: place, body });
      }
    }
  } catch (error) {
    // A shard that is cut off costs what comes after, not the shards that are whole.
    if (!(error instanceof DataError)) throw error;
    yield* finished();
    yield { where: path, problem: `cannot be read further: ${error.message}` };
    return;
  }
  yield* finished();
}

function decoded(bytes: Uint8Array, where: string): string | DataError {
  try {
    return decodeUTF8(bytes, where);
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
}
