import { InvalidArgumentError } from 'commander';
import type { Captioner } from '../captioner';
import type { MetadataList } from '../captioner/captionWithMetadata';
import { type MetadataReading, metadataOf, readMetadata } from '../captioner/metadata';
import { DataError, UsageError } from '../core/errors';
import type { Dataset } from '../data/types';
import { knownOf, type MetadataTable } from './metadataFile';

/** Examples that are looked at for the names of their metadata. */
const LOOKED_AT = 1000;

/** The names of `train --metadata`, such as `page_title,section_title`. */
export function fieldNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => name === '') || new Set(names).size < names.length)
    throw new InvalidArgumentError(
      'It should be names with commas between, each once, such as page_title,section_title.',
    );
  return names;
}

/**
 * Refuses names that no example has, before anything is trained on them.
 *
 * @throws UsageError that says which names there are
 */
export async function expectFields(data: Dataset, fields: readonly string[]): Promise<void> {
  const found = new Set<string>();
  const looked = Math.min(data.size, LOOKED_AT);
  for (let place = 0; place < looked; place++) {
    const example = await data.at(place);
    for (const caption of example.captions.keys())
      for (const name of Object.keys(metadataOf(example, caption) ?? {})) found.add(name);
  }
  const missing = fields.filter((name) => !found.has(name));
  if (missing.length === 0) return;
  const names = found.size > 0 ? `They have ${[...found].sort().join(', ')}.` : 'They have no metadata at all.';
  throw new UsageError(
    `--metadata names ${missing.join(', ')}, which none of the first ${looked} training pictures has. ${names}`,
  );
}

/** How many examples have some of what a captioner reads. */
export async function countKnown(data: Dataset, reading: MetadataReading): Promise<number> {
  let known = 0;
  for await (const example of data) if (readMetadata(metadataOf(example), reading).text !== '') known++;
  return known;
}

/** What `generate` is told of pictures: `name=value` of all of them, a table with rows of single ones. */
export type GivenMetadata = { metadata?: Readonly<Record<string, string>>; metadataFile?: string };

/** Takes one more `name=value`. */
export function assignment(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  const [name, value] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  if (at < 0 || name === '' || value === '')
    throw new InvalidArgumentError('It should be a name and a value, such as "page_title=Eiffel Tower".');
  if (name in before) throw new InvalidArgumentError(`${name} is given twice.`);
  return { ...before, [name]: value };
}

/**
 * What is known of each picture: what its row in the table says goes before what is said of all.
 *
 * @throws UsageError for metadata that the captioner cannot read; DataError for a table with nothing about these pictures
 */
export function metadataFor(
  paths: readonly string[],
  { metadata, table }: { metadata?: GivenMetadata['metadata']; table?: MetadataTable },
  { metadata: reading }: Captioner,
): MetadataList | undefined {
  if (!metadata && !table) return undefined;
  if (!reading)
    throw new UsageError(
      'This captioner was not trained to read metadata: leave it out, or take one that was, by train --metadata.',
    );
  const reads = `The captioner reads ${reading.fields.join(', ')}`;
  const strange = Object.keys(metadata ?? {}).filter((name) => !reading.fields.includes(name));
  if (strange.length > 0) throw new UsageError(`${reads}, not ${strange.join(', ')}.`);
  if (table && !reading.fields.some((name) => table.names.includes(name)))
    throw new DataError(`${reads}, but ${table.path} has ${table.names.join(', ')}.`);
  const rows = paths.map((path) => table && knownOf(table, path));
  if (table) {
    const without = rows.filter((row) => row === undefined).length;
    if (without === paths.length)
      throw new DataError(
        `${table.path} says nothing about the pictures: its first is called ${table.first}, and the first of them ${paths[0]}.`,
      );
    if (without > 0) process.stderr.write(`${table.path} says nothing about ${without} of ${paths.length} pictures.\n`);
  }
  return rows.map((row) => ({ ...metadata, ...row }));
}
