import type { TableRow } from './columns';
import type { Entry } from './entry';

/** Columns of WIT that hold captions of a picture. */
export type WikipediaCaption =
  | 'caption_reference_description'
  | 'caption_alt_text_description'
  | 'caption_attribution_description';

/** Whether a header is that of WIT's tables or of Kaggle's, which have the same columns and some more. */
export function isWikipediaHeader(names: readonly string[]): boolean {
  return names.includes('image_url') && names.includes('caption_reference_description');
}

/** Columns that tell about the picture; all others tell about the page that shows it, and thus about its caption. */
const aboutPicture = ['image_url', 'mime_type', 'original_height', 'original_width', 'caption_attribution_description'];

/**
 * A row of WIT or of Kaggle's Wikipedia captions: a picture on a page, the caption that the page gives it, and all other columns
 * as metadata under their own names. A picture that several pages or languages show is one picture, so that no split tears it apart:
 * its id is its address.
 *
 * @see Srinivasan et al. 2021, https://arxiv.org/abs/2103.01913, and https://github.com/google-research-datasets/wit/blob/main/DATA.md
 */
export function readWikipediaRow(
  row: TableRow,
  caption: WikipediaCaption,
): Omit<Entry, 'where' | 'picture'> | { problem: string } {
  const value = (name: string) => {
    const found = row[name];
    return typeof found === 'string' && found.trim() !== '' ? found.trim() : undefined;
  };
  const id = value('image_url');
  if (id === undefined) return { problem: 'has no image_url' };
  if (!/^https?:\/\//i.test(id)) return { problem: `has the image_url ${JSON.stringify(id)}, which is no address` };
  const text = value(caption);
  if (text === undefined) return { problem: `has no ${caption} for ${id}` };
  const told = Object.keys(row).filter((name) => name !== caption && name !== 'b64_bytes' && value(name) !== undefined);
  const pick = (fits: (name: string) => boolean) =>
    Object.fromEntries(told.filter(fits).map((name) => [name, value(name)]));
  return {
    id,
    captions: [text],
    metadata: pick((name) => aboutPicture.includes(name)),
    captionMetadata: [pick((name) => !aboutPicture.includes(name))],
  };
}
