import { type Entry, type PictureSource, splitOfWord } from './entry';

/** A row by the names of its columns. */
export type TableRow = Readonly<Record<string, unknown>>;

/** Which columns say what; found by their names, in any case. */
export type Columns = {
  picture: string | undefined;
  captions: string[];
  id: string | undefined;
  split: string | undefined;
};

// biome-ignore format: a list
const pictureNames = [
  'image', 'image_path', 'img_path', 'file_name', 'filename', 'filepath', 'image_file', 'image_name', 'file', 'path', 'img', 'picture',
  'jpg', 'jpeg', 'png', 'webp', 'image_bytes', 'image_url', 'img_url', 'url',
];
// biome-ignore format: a list
const captionNames = [
  'caption', 'captions', 'text', 'texts', 'sentence', 'sentences', 'raw', 'comment', 'description', 'alt_text', 'txt',
];
const idNames = ['id', 'image_id', 'img_id', 'imgid', 'key', '__key__'];
const splitNames = ['split', 'set', 'subset'];

/** What columns of these names mean; undefined where none holds captions. */
export function columnsOf(names: readonly string[]): Columns | undefined {
  const numbered = names.filter((name) => /^(?:caption|sentence|text)[ _-]?\d+$/i.test(name.trim()));
  const single = named(names, captionNames);
  const captions = numbered.length > 0 ? numbered : single === undefined ? [] : [single];
  if (captions.length === 0) return undefined;
  return { picture: pictureColumn(names), captions, id: named(names, idNames), split: named(names, splitNames) };
}

/** The column that names pictures. */
export const pictureColumn = (names: readonly string[]) => named(names, pictureNames);

/** The first of `wanted` that is there, as it is written there. */
function named(names: readonly string[], wanted: readonly string[]): string | undefined {
  for (const name of wanted) {
    const found = names.find((given) => given.trim().toLowerCase() === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What a row says, its picture being only named yet; or what is wrong with it. */
export type ReadRow = Omit<Entry, 'where' | 'picture' | 'id'> & {
  id: string | undefined;
  picture: NamedPicture | undefined;
};
export type NamedPicture = { name: string } | Extract<PictureSource, { url: string } | { base64: string }>;

/** Reads a row of CSV, JSON lines or Parquet; columns that mean nothing here become metadata. */
export function readTableRow(row: TableRow, columns: Columns): ReadRow | { problem: string } {
  const id = columns.id === undefined ? undefined : text(row[columns.id]);
  const given = columns.picture === undefined ? undefined : pictureOf(row[columns.picture]);
  const name = id ?? (given && ('name' in given ? given.name : 'url' in given ? given.url : undefined));
  const captions = columns.captions.flatMap((column) => captionsOf(row[column])).filter((caption) => caption !== '');
  if (captions.length === 0) return { problem: `has no caption${name === undefined ? '' : ` for ${name}`}` };
  const word = columns.split === undefined ? undefined : text(row[columns.split]);
  const split = word === undefined ? undefined : splitOfWord(word);
  if (word !== undefined && split === undefined)
    return { problem: `has the split ${JSON.stringify(word)} but should have train, val or test` };
  const used = [columns.picture, columns.id, columns.split, ...columns.captions];
  const rest = Object.entries(row).filter(([key, value]) => !used.includes(key) && value !== '' && value != null);
  return {
    id: name,
    picture: given,
    captions,
    ...(split && { split }),
    ...(rest.length > 0 && { metadata: Object.fromEntries(rest.map(([key, value]) => [key, plain(value)])) }),
  };
}

/** Text of a cell that holds a name; numbers count as names. */
function text(value: unknown): string | undefined {
  const found = typeof value === 'number' || typeof value === 'bigint' ? `${value}` : value;
  return typeof found === 'string' && found.trim() !== '' ? found.trim() : undefined;
}

function pictureOf(value: unknown): NamedPicture | undefined {
  const name = text(value);
  if (name === undefined) return undefined;
  if (/^https?:\/\//i.test(name)) return { url: name };
  const [, base64] = /^(?:data:image\/[\w.+-]+;base64,)([\w+/=\s]+)$/.exec(name) ?? [];
  return base64 === undefined ? { name } : { base64 };
}

/** A caption, a list of captions, a list as JSON text (the published CSV of Flickr30k), or objects with a text in them. */
function captionsOf(value: unknown): string[] {
  if (typeof value === 'string') {
    const caption = value.trim();
    if (!/^\[\s*"/.test(caption)) return [caption];
    try {
      return captionsOf(JSON.parse(caption));
    } catch {
      return [caption];
    }
  }
  if (Array.isArray(value)) return value.flatMap(captionsOf);
  if (typeof value !== 'object' || value === null) return [];
  const { raw, caption, text } = value as Record<string, unknown>;
  return captionsOf(raw ?? caption ?? text);
}

/** As JSON can hold it. */
function plain(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : `${value}`;
}
