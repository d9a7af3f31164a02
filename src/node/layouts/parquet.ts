import { basename } from 'node:path';
import { columnsOf, readTableRow } from '../../data/layouts/columns';
import { type Row, splitOfFileName } from '../../data/layouts/entry';
import { filesNamed, type Layout, withFolders } from '../layout';
import { openParquet, type ParquetFile } from '../parquetFile';
import type { PictureCache } from '../pictureCache';
import { isOutside, PictureFolders } from '../pictureFolders';

/** Rows that are read at a time, without their pictures. */
const ROWS = 1024;

/**
 * Parquet as on the Hugging Face hub, there or in `data`: a column `image` with the bytes of pictures (or a path or an address), and
 * captions in one or more columns, as text or as lists. Ids are those of a column, or the file and the number of the row.
 */
export const parquet: Layout = {
  lookedFor: 'Parquet files with a column of pictures and one of captions',
  async recognise(folder, { pictures: cache }) {
    const places = await withFolders(folder, ['data']);
    const files = places.flatMap((place) => filesNamed(place, /\.parquet$/i));
    if (files.length === 0) return undefined;
    const pictures = new PictureFolders(folder.path, ['', 'images']);
    return {
      layout: 'parquet',
      because: files[0]!.path,
      pictureFolders: pictures.paths,
      async *entries(): AsyncGenerator<Row> {
        for (const { path } of files) {
          const opened = await openParquet(path);
          if ('problem' in opened) {
            yield { where: path, problem: opened.problem };
            continue;
          }
          yield* rowsOf(path, opened, pictures, cache);
        }
      },
    };
  },
};

async function* rowsOf(
  path: string,
  file: ParquetFile,
  pictures: PictureFolders,
  cache: PictureCache,
): AsyncGenerator<Row> {
  const columns = columnsOf(file.columns);
  const column = columns?.picture;
  if (!columns || column === undefined) {
    yield {
      where: path,
      problem: `has the columns ${file.columns.join(', ')}: none of pictures (image) or none of captions (caption)`,
    };
    return;
  }
  const split = splitOfFileName(basename(path));
  const inside = file.hasBytes(column);
  // The bytes of pictures stay in the file: a row knows its place.
  const told = [...columns.captions, columns.id, columns.split];
  const wanted = file.columns.filter(
    (name) => told.includes(name) || ((name !== column || !inside) && !file.hasBytes(name)),
  );
  for (let start = 0; start < file.rows; start += ROWS) {
    let rows: Record<string, unknown>[];
    try {
      rows = await file.read(start, Math.min(start + ROWS, file.rows), wanted);
    } catch (error) {
      yield {
        where: `${path}, rows ${start} to ${start + ROWS}`,
        problem: `cannot be read: ${(error as Error).message}`,
      };
      continue;
    }
    for (const [index, row] of rows.entries()) {
      const where = `${path}, row ${start + index}`;
      const read = readTableRow(row, inside ? { ...columns, picture: undefined } : columns);
      if ('problem' in read) {
        yield { where, problem: read.problem };
        continue;
      }
      const { picture, id, ...rest } = read;
      const entry = { ...(split && { split }), ...rest, where, id: id ?? `${basename(path)}:${start + index}` };
      if (inside) yield { ...entry, picture: { file: path, row: start + index, column } };
      else if (!picture) yield { where, problem: 'has no picture' };
      else if ('name' in picture && isOutside(picture.name))
        yield { where, problem: `names the picture ${picture.name}, which is outside of the data folder` };
      else if ('name' in picture) {
        const found = await pictures.find(picture.name);
        yield found === undefined ? entry : { ...entry, picture: { file: found } };
      } else yield { ...entry, picture: 'url' in picture ? cache.source(picture.url) : picture };
    }
  }
}
