import { readFile } from 'node:fs/promises';
import { DataError, UsageError } from '../core/errors';
import { decodeUTF8 } from '../data/utf8';

type Row = { image_id: string | number; caption: string };

/**
 * The captions of a COCO results file by image id, in its order.
 *
 * @throws DataError where it is not such a file, or has an image twice
 */
export async function readPredictions(path: string): Promise<Map<string, { id: string | number; caption: string }>> {
  const rows = await readJson(path);
  if (!Array.isArray(rows)) throw notOf(path, 'an array [{ "image_id": 42, "caption": "a dog runs" }, ...]');
  const captions = new Map<string, { id: string | number; caption: string }>();
  for (const [index, row] of rows.entries()) {
    const { image_id: id, caption } = checkRow(path, row, index);
    if (captions.has(`${id}`))
      throw new DataError(`${path} has more than one caption of image ${id}. Keep one: each image is scored once.`);
    captions.set(`${id}`, { id, caption });
  }
  if (captions.size === 0) throw new DataError(`${path} is an empty array: there is nothing to score.`);
  return captions;
}

/**
 * The references of a COCO captions file by image id. Images that it lists without a caption have none.
 *
 * @throws DataError where it is not such a file
 */
export async function readReferences(path: string): Promise<Map<string, string[]>> {
  const file = await readJson(path);
  const rows = (file as { annotations?: unknown } | null)?.annotations;
  if (!Array.isArray(rows))
    throw notOf(path, 'an object { "annotations": [{ "image_id": 42, "caption": "A dog runs." }, ...] }');
  const references = new Map<string, string[]>();
  for (const [index, row] of rows.entries()) {
    const { image_id: id, caption } = checkRow(path, row, index);
    const ofImage = references.get(`${id}`);
    if (ofImage) ofImage.push(caption);
    else references.set(`${id}`, [caption]);
  }
  if (references.size === 0) throw new DataError(`${path} has no annotations, so there is nothing to score against.`);
  return references;
}

async function readJson(path: string): Promise<unknown> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw new UsageError(`There is no file ${path}.`, { cause });
    throw new DataError(`${path} could not be read: ${cause.message}.`, { cause });
  });
  try {
    return JSON.parse(decodeUTF8(bytes, path));
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${path} is not JSON: ${(cause as Error).message}.`, { cause });
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
