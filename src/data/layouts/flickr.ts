import { NameTable } from '../nameTable';
import type { Entry } from './entry';
import type { Line } from './lines';

/** What a line of a caption file says, or what is wrong with it; undefined for an empty line. */
export type LineReader = (line: string) => Pick<Entry, 'id' | 'captions'> | { problem: string } | undefined;

/**
 * Flickr8k's and Flickr30k's token files: `name.jpg#0`, a tab and a caption in each line.
 *
 * @see Hodosh, Young and Hockenmaier 2013, https://doi.org/10.1613/jair.3994
 */
export function tokenReader(): LineReader {
  const seen = new NameTable();
  return (line) => {
    if (line.trim() === '') return undefined;
    const tab = line.indexOf('\t');
    if (tab < 0) return { problem: 'has no tab between the picture and the caption' };
    const key = line.slice(0, tab).trim();
    const id = /^(.+)#\d+$/.exec(key)?.[1];
    const caption = line.slice(tab + 1).trim();
    if (id === undefined)
      return { problem: `starts with ${JSON.stringify(key)} but should start with picture#number, such as dog.jpg#0` };
    if (caption === '') return { problem: `has no caption for ${key}` };
    if (!seen.isNew(key)) return { problem: `has ${key} for the second time` };
    return { id, captions: [caption] };
  };
}

/**
 * Flickr8k's captions as on Kaggle: CSV with the header `image,caption`, captions quoted where they hold a comma.
 * Read line by line, so that a quote left open costs its own row and not all the rows up to the next quote.
 */
export const readCaptionsCSV: LineReader = (line) => {
  if (line.trim() === '') return undefined;
  const fields = csvFields(line)?.map((field) => field.trim());
  if (!fields) return { problem: 'has a quote that is not closed, or text after the closing quote' };
  const [id = '', caption = ''] = fields;
  if (fields.length !== 2)
    return { problem: `has ${fields.length} fields but should have 2; a caption with a comma needs quotes` };
  if (id === '') return { problem: 'has no picture' };
  if (caption === '') return { problem: `has no caption for ${id}` };
  return { id, captions: [caption] };
};

/** Flickr30k's captions as on Kaggle: `image_name| comment_number| comment`, without quotes. */
export const readResultsCSV: LineReader = (line) => {
  if (line.trim() === '') return undefined;
  const [name = '', number = '', ...rest] = line.split('|');
  const [id, caption] = [name.trim(), rest.join('|').trim()];
  if (id === '') return { problem: 'has no picture' };
  // The distributed file has one such row: the bar after the number is missing.
  const unbarred = rest.length === 0 ? /^\s*\d+\s+(.*\S)/.exec(number)?.[1] : undefined;
  if (unbarred !== undefined) return { id, captions: [unbarred] };
  if (rest.length === 0) return { problem: `has ${number === '' ? 1 : 2} fields but should have 3, between bars (|)` };
  if (caption === '') return { problem: `has no caption for ${id}` };
  return { id, captions: [caption] };
};

/** Whether a line is the header of Kaggle's `captions.txt`. */
export function isCaptionsCSV(header: string): boolean {
  return /^"?image"?,"?caption"?\s*$/.test(header);
}

/** Whether a line is the header of Flickr30k's `results.csv`. */
export function isResultsCSV(header: string): boolean {
  return /^"?image_name"?\s*\|\s*"?comment_number"?\s*\|\s*"?comment"?\s*$/.test(header);
}

/** The entries of a caption file, with the rows that cannot be used. */
export async function* readLines(
  lines: AsyncIterable<Line[]>,
  { where, read, header }: { where: string; read: LineReader; header: boolean },
) {
  for await (const some of lines)
    for (const { number, text } of some) {
      if (header && number === 1) continue;
      const row = text === undefined ? { problem: 'is longer than 32 MiB, so it is no caption' } : read(text);
      if (row) yield { where: `${where}, line ${number}`, ...row };
    }
}

/** The picture names of an official split file, one in each line. */
export function parseSplitFile(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
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
