import { stat } from 'node:fs/promises';
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { DataError } from '../core/errors';
import { readPart } from './fileBytes';

/** A Parquet file whose columns and rows are read as they are asked for. */
export type ParquetFile = {
  /** Names of the columns at the top. */
  columns: string[];
  rows: number;
  /** Whether a column holds bytes, as they are or in the `bytes` of a structure, as the Hugging Face hub keeps pictures. */
  hasBytes(column: string): boolean;
  /** Rows `start` to `end` (exclusive) of some columns, what has no other type as text. */
  read(start: number, end: number, columns: readonly string[]): Promise<Record<string, unknown>[]>;
  /** The bytes of a picture. */
  bytes(row: number, column: string): Promise<Uint8Array>;
};

/** A column of one row group is read whole at most up to here, in bytes. */
const MOST_CHUNK = 512 * 2 ** 20;
/** Up to here it is kept until another one is read: the rows that follow are in it. */
const MOST_KEPT = 64 * 2 ** 20;

/**
 * Reads pictures of all files of a data set one after the other, and keeps the row group of the last one: batches ask for many
 * pictures at once, out of as many groups, which together would take gigabytes.
 */
export class PictureTurns {
  private group: { key: string; rows: Record<string, unknown>[] } | undefined;
  private last: Promise<unknown> = Promise.resolve();

  take<T>(read: (kept: PictureTurns) => Promise<T>): Promise<T> {
    const turn = this.last.then(() => read(this));
    this.last = turn.catch(() => {});
    return turn;
  }

  /** The rows of a group, read where it is not the one that is kept. */
  async rowsOf(key: string, read: () => Promise<Record<string, unknown>[]>): Promise<Record<string, unknown>[]> {
    if (this.group?.key !== key) {
      this.group = undefined; // first, so that there are never two
      this.group = { key, rows: await read() };
    }
    return this.group.rows;
  }
}

/** Opens a Parquet file, or says what is wrong with it. */
export async function openParquet(
  path: string,
  turns = new PictureTurns(),
): Promise<ParquetFile | { problem: string }> {
  try {
    const { size } = await stat(path);
    const file: AsyncBuffer = {
      byteLength: size,
      slice: async (start, end = size) => (await readPart(path, start, end - start)).buffer as ArrayBuffer,
    };
    return await parquetFile(path, file, await parquetMetadataAsync(file), turns);
  } catch (error) {
    return { problem: `is no whole Parquet file: ${(error as Error).message}. Copy or download it again` };
  }
}

async function parquetFile(
  path: string,
  file: AsyncBuffer,
  metadata: FileMetaData,
  turns: PictureTurns,
): Promise<ParquetFile> {
  const { compressors } = await import('hyparquet-compressors');
  const { children } = parquetSchema(metadata);
  const options = { file, metadata, compressors, utf8: false };

  /** All rows of the group that a row is in. */
  const groupOf = (row: number, column: string) => {
    let start = 0;
    for (const group of metadata.row_groups) {
      const end = start + Number(group.num_rows);
      if (row < end) {
        const chunks = group.columns.filter(({ meta_data }) => meta_data?.path_in_schema[0] === column);
        const bytes = chunks.reduce((sum, { meta_data }) => sum + Number(meta_data!.total_uncompressed_size), 0);
        return { start, end, bytes };
      }
      start = end;
    }
    throw new DataError(`${path} has no row ${row}: it was changed since it was opened.`);
  };

  return {
    columns: children.map(({ element }) => element.name),
    rows: Number(metadata.num_rows),
    hasBytes(column) {
      const found = children.find(({ element }) => element.name === column);
      if (!found) return false;
      if (found.children.length > 0) return found.children.some(({ element }) => element.name === 'bytes');
      const { type, converted_type, logical_type } = found.element;
      return type === 'BYTE_ARRAY' && converted_type === undefined && logical_type === undefined;
    },
    async read(rowStart, rowEnd, columns) {
      const rows = await parquetReadObjects({ ...options, rowStart, rowEnd, columns: [...columns] });
      return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, asText(value)])));
    },
    async bytes(row, column) {
      const { start, end, bytes } = groupOf(row, column);
      if (bytes > MOST_CHUNK)
        throw new DataError(
          `${path} has ${Math.round(bytes / 2 ** 20)} MiB of pictures in one row group. Write it again with row groups of some hundred rows.`,
        );
      const read = (rowStart: number, rowEnd: number) =>
        parquetReadObjects({ ...options, rowStart, rowEnd, columns: [column] });
      return turns.take(async (kept) => {
        if (bytes > MOST_KEPT) return bytesOf((await read(row, row + 1))[0]?.[column], path, row);
        const rows = await kept.rowsOf(`${path} ${start} ${column}`, () => read(start, end));
        return bytesOf(rows[row - start]?.[column], path, row);
      });
    },
  };
}

function bytesOf(value: unknown, path: string, row: number): Uint8Array {
  const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null | undefined)?.bytes;
  // A copy: what is read lies in the memory of its whole group.
  if (bytes instanceof Uint8Array && bytes.length > 0) return bytes.slice();
  throw new DataError(
    `${path} has no picture in row ${row}. Leave the row out, or write the file with the bytes of pictures.`,
  );
}

/** Bytes that no type is told of are taken for text, as old writers leave it; lists and structures within. */
function asText(value: unknown): unknown {
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (Array.isArray(value)) return value.map(asText);
  return value;
}
