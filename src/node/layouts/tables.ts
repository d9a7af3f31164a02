import { basename } from 'node:path';
import { type Columns, columnsOf, type NamedPicture, readTableRow, type TableRow } from '../../data/layouts/columns';
import { type PictureSource, type Row, splitOfFileName } from '../../data/layouts/entry';
import { isCaptionsCSV, isResultsCSV } from '../../data/layouts/flickr';
import { isWikipediaHeader } from '../../data/layouts/wikipedia';
import type { Split } from '../../data/types';
import { fileLines, firstLine } from '../fileBytes';
import { type Folder, filesNamed, type Layout, type LayoutOptions, type Recognised } from '../layout';
import type { PictureCache } from '../pictureCache';
import { isOutside, PictureFolders } from '../pictureFolders';
import { separatedValues } from '../separatedValues';

const pictureFolders = ['', 'images', 'Images', 'pictures', 'photos'];

/**
 * CSV or TSV with a header: a column that names pictures (`image`, `file_name`, `url`, ...), one or more with captions (`caption`,
 * `caption_1`, ..., or a list in one), perhaps `split` and `id`. A split may also be in the name of a file, such as `train.csv`.
 */
export const csv: Layout = {
  lookedFor: 'CSV or TSV files with a column of pictures and one of captions',
  async recognise(folder, options) {
    const files: { path: string; columns: Columns; names: string[] }[] = [];
    for (const { path } of filesNamed(folder, /\.(?:csv|tsv)(?:\.gz)?$/i)) {
      const header = await firstLine(path);
      if (isResultsCSV(header) || (isCaptionsCSV(header) && basename(path) === 'captions.txt')) continue;
      const names = await headerOf(path);
      if (isWikipediaHeader(names)) continue;
      const columns = columnsOf(names);
      if (columns?.picture !== undefined) files.push({ path, columns, names });
    }
    if (files.length === 0) return undefined;
    return tables('csv', folder, options, files, async function* ({ path, columns, names }) {
      for await (const rows of separatedValues(path))
        for (const { line, fields } of rows) {
          if (line === 1) continue;
          const where = `${path}, line ${line}`;
          if (fields.length !== names.length)
            yield {
              where,
              problem: `has ${fields.length} fields but should have ${names.length}; a caption with a comma needs quotes`,
            };
          else yield { where, row: Object.fromEntries(names.map((name, i) => [name, fields[i]])), columns };
        }
    });
  },
};

/** Lines of JSON, each `{ "image": ..., "caption": ... }` or with `captions`, by the names that CSV may use too. */
export const jsonLines: Layout = {
  lookedFor: 'JSON lines (.jsonl, .ndjson) with a picture and captions',
  async recognise(folder, options) {
    const files: { path: string }[] = [];
    for (const { path } of filesNamed(folder, /\.(?:jsonl|ndjson)(?:\.gz)?$/i)) {
      const columns = columnsOf(Object.keys(jsonObject(await firstLine(path)) ?? {}));
      if (columns?.picture !== undefined) files.push({ path });
    }
    if (files.length === 0) return undefined;
    return tables('jsonl', folder, options, files, async function* ({ path }) {
      for await (const lines of fileLines(path))
        for (const { number, text } of lines) {
          const where = `${path}, line ${number}`;
          if (text === undefined) yield { where, problem: 'is longer than 32 MiB, so it is no caption' };
          else if (text.trim() !== '') {
            const row = jsonObject(text);
            const columns = row && columnsOf(Object.keys(row));
            if (!row) yield { where, problem: 'is no JSON object' };
            else if (!columns) yield { where, problem: 'has no caption' };
            else yield { where, row, columns };
          }
        }
    });
  },
};

/** The names in the first line of a CSV or TSV file; none where that is no such text. */
export async function headerOf(path: string): Promise<string[]> {
  const delimiter = /\.tsv(?:\.gz)?$/i.test(path) ? '\t' : ',';
  return (await firstLine(path)).split(delimiter).map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
}

type NamedRow = { where: string; row: TableRow; columns: Columns };

/** Rows of files, with their pictures looked up. */
function tables<F extends { path: string }>(
  layout: string,
  folder: Folder,
  options: LayoutOptions,
  files: readonly F[],
  rowsOf: (file: F) => AsyncIterable<NamedRow | { where: string; problem: string }>,
): Recognised {
  const pictures = new PictureFolders(folder.path, pictureFolders);
  return {
    layout,
    because: files[0]!.path,
    pictureFolders: pictures.paths,
    async *entries(): AsyncGenerator<Row> {
      for (const file of files) {
        const split = splitOfFileName(basename(file.path));
        for await (const row of rowsOf(file))
          yield 'problem' in row ? row : await entryOf(row, split, pictures, options.pictures);
      }
    },
  };
}

async function entryOf(
  { where, row, columns }: NamedRow,
  splitOfFile: Split | undefined,
  pictures: PictureFolders,
  cache: PictureCache,
): Promise<Row> {
  const read = readTableRow(row, columns);
  if ('problem' in read) return { where, problem: read.problem };
  const { id, picture, split = splitOfFile, ...rest } = read;
  if (id === undefined) return { where, problem: 'has no picture' };
  if (picture && 'name' in picture && isOutside(picture.name))
    return {
      where,
      problem: `names the picture ${picture.name}, which is outside of the data folder; move it there or link to it`,
    };
  const source = picture && (await sourceOf(picture, pictures, cache));
  return { id, where, ...rest, ...(split && { split }), ...(source && { picture: source }) };
}

async function sourceOf(
  picture: NamedPicture,
  pictures: PictureFolders,
  cache: PictureCache,
): Promise<PictureSource | undefined> {
  if ('url' in picture) return cache.source(picture.url);
  if ('base64' in picture) return picture;
  const file = await pictures.find(picture.name);
  return file === undefined ? undefined : { file };
}

function jsonObject(text: string): TableRow | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as TableRow) : undefined;
  } catch {
    return undefined;
  }
}
