import { readFile } from 'node:fs/promises';
import { DataError, UsageError } from '../core/errors';
import { decodeUTF8 } from '../data/utf8';

type Row = { image_id: string | number; caption: string };

/**
 * The captions by image id, in the order of the file: a COCO results file, or JSONL with one of its rows per line.
 *
 * @throws DataError where it is no such file, or has an image twice
 */
export async function readPredictions(path: string): Promise<Map<string, { id: string | number; caption: string }>> {
  const rows = isJSONL(path) ? await readLines(path) : await readJson(path);
  if (!Array.isArray(rows)) throw notOf(path, 'an array [{ "image_id": 42, "caption": "a dog runs" }, ...]');
  const captions = new Map<string, { id: string | number; caption: string }>();
  for (const [index, row] of rows.entries()) {
    const { image_id: id, caption } = checkRow(path, row, index);
    if (captions.has(`${id}`))
      throw new DataError(`${path} has more than one caption of image ${id}. Keep one: each image is scored once.`);
    captions.set(`${id}`, { id, caption });
  }
  if (captions.size === 0) throw new DataError(`${path} is empty: there is nothing to score.`);
  return captions;
}

/**
 * The references by image id: a COCO captions file, of which images without a caption have none, or JSONL whose lines carry
 * a `caption` or several `captions` of an image.
 *
 * @throws DataError where it is no such file
 */
export async function readReferences(path: string): Promise<Map<string, string[]>> {
  const rows = isJSONL(path)
    ? (await readLines(path)).flatMap(captionRows)
    : ((await readJson(path)) as { annotations?: unknown } | null)?.annotations;
  if (!Array.isArray(rows))
    throw notOf(path, 'an object { "annotations": [{ "image_id": 42, "caption": "A dog runs." }, ...] }');
  const references = new Map<string, string[]>();
  for (const [index, row] of rows.entries()) {
    const { image_id: id, caption } = checkRow(path, row, index);
    const ofImage = references.get(`${id}`);
    if (ofImage) ofImage.push(caption);
    else references.set(`${id}`, [caption]);
  }
  if (references.size === 0) throw new DataError(`${path} has no captions, so there is nothing to score against.`);
  return references;
}

export function isJSONL(path: string): boolean {
  return /\.(jsonl|ndjson)$/i.test(path);
}

/** A line with several captions as so many rows with one. */
function captionRows(row: unknown): unknown[] {
  const { image_id, captions } = (row ?? {}) as { image_id?: unknown; captions?: unknown };
  return Array.isArray(captions) ? captions.map((caption) => ({ image_id, caption })) : [row];
}

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw new UsageError(`There is no file ${path}.`, { cause });
    throw new DataError(`${path} could not be read: ${cause.message}.`, { cause });
  });
  return decodeUTF8(bytes, path);
}

/** The value of a JSON file. */
export async function readJson(path: string): Promise<unknown> {
  return parse(await readText(path), path);
}

/** Of JSONL, without its empty lines. */
export async function readLines(path: string): Promise<unknown[]> {
  const lines = (await readText(path)).split('\n');
  return lines.flatMap((line, i) => (line.trim() === '' ? [] : [parse(line, `Line ${i + 1} of ${path}`)]));
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${where} is not JSON: ${(cause as Error).message}.`, { cause });
  }
}

function checkRow(path: string, row: unknown, index: number): Row {
  const { image_id: id, caption } = (row ?? {}) as Record<string, unknown>;
  if (typeof id !== 'string' && typeof id !== 'number')
    throw new DataError(`Entry ${index} of ${path} has no image_id, which should be a number or a string.`);
  if (typeof caption !== 'string')
    throw new DataError(`The caption of image ${id} in ${path} (entry ${index}) is no string.`);
  return { image_id: id, caption };
}

function notOf(path: string, form: string): DataError {
  return new DataError(`${path} is JSON of another form; it should be ${form}.`);
}
