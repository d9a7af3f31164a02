import { type CsvError, parse } from 'csv-parse';
import { DataError } from '../core/errors';
import { MOST_LINE_BYTES, textOf } from '../data/layouts/lines';
import { fileBytes } from './fileBytes';

/** A row of CSV or TSV, and the number of the line that it ends in. */
export type FieldRow = { line: number; fields: string[] };

/**
 * The rows of a CSV or TSV file, packed or not, as RFC 4180 has them: fields in quotes may hold delimiters, line ends and doubled
 * quotes. A quote inside a field without quotes is text.
 *
 * @param delimiter - `,` or a tab, by default as the name of the file says
 * @throws DataError where a quote is not closed, with the line of its row
 */
export async function* separatedValues(
  path: string,
  delimiter = /\.tsv(?:\.gz)?$/i.test(path) ? '\t' : ',',
): AsyncGenerator<FieldRow[]> {
  let rows: FieldRow[] = [];
  let line = 0; // the last one of the rows so far
  const parser = parse({
    delimiter,
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MOST_LINE_BYTES,
    on_record: (fields: string[], context: { lines: number }) => {
      line = context.lines;
      rows.push({ line, fields });
      return null; // taken here: a stream of rows is several times slower
    },
  });
  parser.resume();
  const failed = new Promise<never>((_, reject) => parser.on('error', reject));
  failed.catch(() => {}); // raced below; it may fail between two races
  const ended = new Promise<void>((resolve) => parser.on('end', resolve));
  try {
    for await (const text of textOf(fileBytes(path), path)) {
      await Promise.race([new Promise<void>((resolve) => parser.write(text, () => resolve())), failed]);
      yield rows;
      rows = [];
    }
    parser.end();
    await Promise.race([ended, failed]);
    yield rows;
  } catch (cause) {
    const { code } = cause as CsvError;
    if (code === 'CSV_QUOTE_NOT_CLOSED' || code === 'CSV_MAX_RECORD_SIZE')
      throw new DataError(
        `${path} has a quote that is not closed, in the row that begins after line ${line}. ` +
          'Close it, or double a quote that is meant.',
        { cause },
      );
    throw cause;
  } finally {
    parser.destroy();
  }
}
