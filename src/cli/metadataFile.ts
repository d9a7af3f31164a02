import { basename } from 'node:path';
import { DataError, UsageError } from '../core/errors';
import { pictureColumn, type TableRow } from '../data/layouts/columns';
import { separatedValues } from '../node/separatedValues';
import { isJSONL, readJson, readLines } from './scoreFiles';

/** Metadata of pictures by their names. */
export type MetadataTable = {
  path: string;
  /** Of all columns but that of the pictures. */
  names: string[];
  /** The picture of the first row. */
  first: string;
  rows: ReadonlyMap<string, TableRow>;
};

/**
 * Metadata per picture: CSV or TSV with a header, JSON lines, or JSON, a list of objects. One column names the pictures, as in
 * caption data: `image`, `file_name`, `url`, ...
 *
 * @throws DataError for a file that is none of this, has no such column, or has two rows for one picture
 */
export async function readMetadataFile(path: string): Promise<MetadataTable> {
  const found = await rowsOf(path);
  const names = [...new Set(found.flatMap(Object.keys))];
  const column = pictureColumn(names);
  if (found.length === 0) throw new DataError(`${path} has no rows.`);
  if (column === undefined)
    throw new DataError(
      `${path} has no column that names pictures, such as image or file_name. It has ${names.join(', ')}.`,
    );
  const rows = new Map<string, TableRow>();
  for (const { [column]: picture, ...rest } of found) {
    if (typeof picture !== 'string' || picture.trim() === '')
      throw new DataError(`${path} has a row without a picture in ${column}: ${JSON.stringify(rest)}.`);
    if (rows.has(picture.trim())) throw new DataError(`${path} has two rows for ${picture}. Leave one out.`);
    rows.set(picture.trim(), rest);
  }
  return { path, names: names.filter((name) => name !== column), first: [...rows.keys()][0]!, rows };
}

/** The row of a picture: by its path as it was given, or by the name of its file. */
export function knownOf({ rows }: MetadataTable, path: string): TableRow | undefined {
  return rows.get(path) ?? rows.get(basename(path));
}

async function rowsOf(path: string): Promise<TableRow[]> {
  if (/\.[ct]sv(?:\.gz)?$/i.test(path)) return separated(path);
  if (isJSONL(path)) return (await readLines(path)).map((row, i) => objectOf(row, `Row ${i + 1} of ${path}`));
  if (!/\.json$/i.test(path))
    throw new UsageError(`${path} should be a .csv, .tsv, .json or .jsonl file with metadata of pictures.`);
  const value = await readJson(path);
  if (Array.isArray(value)) return value.map((row, i) => objectOf(row, `Row ${i + 1} of ${path}`));
  throw new DataError(`${path} should be a list of objects, such as [{ "image": "tower.jpg", "page_title": "..." }].`);
}

function objectOf(row: unknown, where: string): TableRow {
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as TableRow;
  throw new DataError(`${where} is no object.`);
}

async function separated(path: string): Promise<TableRow[]> {
  let names: string[] | undefined;
  const rows: TableRow[] = [];
  for await (const batch of separatedValues(path))
    for (const { line, fields } of batch) {
      if (!names) names = fields.map((name) => name.trim());
      else if (fields.length === names.length)
        rows.push(Object.fromEntries(names.map((name, i) => [name, fields[i]!])));
      else throw new DataError(`${path}, line ${line}, has ${fields.length} fields but should have ${names.length}.`);
    }
  return rows;
}
