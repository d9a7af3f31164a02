import { DataError } from '../core/errors';
import type { Problem } from './types';

/** Captions by picture (its file name), in the order of the file, and the rows that could not be used. */
export type CaptionFile = { captions: Map<string, string[]>; problems: Problem[] };

/** A row that was understood, or what is wrong with it. */
type Row = { id: string; caption: string } | { problem: string };

/**
 * Flickr8k's token file as distributed: `name.jpg#0`, a tab and a caption in each line.
 *
 * @param where - the file, for messages
 * @see Hodosh, Young and Hockenmaier 2013, https://doi.org/10.1613/jair.3994
 */
export function parseTokenFile(text: string, where: string): CaptionFile {
  const seen = new Set<string>();
  return readRows(lines(text), 1, where, (line) => {
    const tab = line.indexOf('\t');
    if (tab < 0) return { problem: 'has no tab between the picture and the caption' };
    const key = line.slice(0, tab).trim();
    const id = /^(.+)#\d+$/.exec(key)?.[1];
    const caption = line.slice(tab + 1).trim();
    if (id === undefined)
      return { problem: `starts with ${JSON.stringify(key)} but should start with picture#number, such as dog.jpg#0` };
    if (caption === '') return { problem: `has no caption for ${key}` };
    if (seen.has(key)) return { problem: `has ${key} for the second time` };
    seen.add(key);
    return { id, caption };
  });
}

/**
 * Flickr8k's captions as on Kaggle: CSV with the header `image,caption`, captions quoted where they hold a comma.
 * Read line by line, so that a quote left open costs its own row and not all the rows up to the next quote.
 *
 * @param where - the file, for messages
 * @throws DataError where the header is another one
 */
export function parseCaptionsCSV(text: string, where: string): CaptionFile {
  const [header = '', ...rows] = lines(text);
  if (!isCaptionsCSV(header))
    throw new DataError(`${where} starts with ${JSON.stringify(header)} but should start with image,caption.`);
  return readRows(rows, 2, where, (line) => {
    const fields = csvFields(line)?.map((field) => field.trim());
    if (!fields) return { problem: 'has a quote that is not closed, or text after the closing quote' };
    const [id = '', caption = ''] = fields;
    if (fields.length !== 2)
      return { problem: `has ${fields.length} fields but should have 2; a caption with a comma needs quotes` };
    if (id === '') return { problem: 'has no picture' };
    if (caption === '') return { problem: `has no caption for ${id}` };
    return { id, caption };
  });
}

/** Whether a text starts with the header of Kaggle's `captions.txt`. */
export function isCaptionsCSV(text: string): boolean {
  return /^"?image"?,"?caption"?\s*$/.test(text.split('\n', 1)[0]!);
}

/** The picture names of an official split file, one in each line. */
export function parseSplitFile(text: string): string[] {
  return lines(text)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function lines(text: string): string[] {
  return text.split(/\r?\n/);
}

function readRows(rows: readonly string[], firstLine: number, where: string, read: (row: string) => Row): CaptionFile {
  const file: CaptionFile = { captions: new Map(), problems: [] };
  for (const [index, text] of rows.entries()) {
    if (text.trim() === '') continue;
    const row = read(text);
    if ('problem' in row) {
      file.problems.push({ where: `${where}, line ${firstLine + index}`, problem: row.problem });
      continue;
    }
    const captions = file.captions.get(row.id);
    if (captions) captions.push(row.caption);
    else file.captions.set(row.id, [row.caption]);
  }
  return file;
}

/** The fields of one row; undefined where the quotes do not fit. A quote inside a field without quotes is text. */
function csvFields(row: string): string[] | undefined {
  const terminated = `${row},`;
  const field = /(?:"((?:[^"]|"")*)"|([^",][^,]*)?),/y;
  const fields: string[] = [];
  while (field.lastIndex < terminated.length) {
    const match = field.exec(terminated);
    if (!match) return undefined;
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
  }
  return fields;
}
