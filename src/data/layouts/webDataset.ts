import { type Entry, type PictureSource, splitOfWord } from './entry';

/** A member of a shard; `body` is there for those that are text. */
export type Member = { extension: string; picture: PictureSource; body?: string };

const pictureExtensions = ['jpg', 'jpeg', 'png', 'webp', 'gif', 'avif', 'tif', 'tiff', 'ppm'];
const textExtensions = ['txt', 'text', 'caption', 'json'];

/** Whether the body of a member is to be read with its header. */
export const isText = (extension: string) => textExtensions.includes(extension.split('.').at(-1)!);
export const isPicture = (extension: string) => pictureExtensions.includes(extension.split('.').at(-1)!);

/**
 * The members of one key as a picture with its captions: a picture, and captions in `.txt` or in the `caption`, `captions` or
 * `text` of a `.json`, the rest of which is metadata. Other members, such as `.cls`, are no captions and are left alone.
 *
 * @see https://github.com/webdataset/webdataset#the-webdataset-format and img2dataset, which writes both `.txt` and `.json`
 */
export function readSample(key: string, members: readonly Member[]): Omit<Entry, 'where'> | { problem: string } {
  const pictures = members.filter(({ extension }) => isPicture(extension));
  if (pictures.length === 0) return { problem: `has no picture for ${key}` };
  const captions: string[] = [];
  let metadata: Record<string, unknown> = {};
  for (const { extension, body } of members) {
    if (body === undefined) continue;
    if (!extension.endsWith('json')) {
      captions.push(...body.split(/\r?\n/));
      continue;
    }
    let told: unknown;
    try {
      told = JSON.parse(body);
    } catch {
      return { problem: `has a ${key}.${extension} that is no JSON` };
    }
    if (typeof told !== 'object' || told === null || Array.isArray(told))
      return { problem: `has a ${key}.${extension} that is no JSON object` };
    const { caption, captions: several, text, ...rest } = told as Record<string, unknown>;
    metadata = { ...metadata, ...rest };
    for (const value of [caption, several, text].flat()) if (typeof value === 'string') captions.push(value);
  }
  const different = [...new Set(captions.map((caption) => caption.trim()).filter((caption) => caption !== ''))];
  if (different.length === 0) return { problem: `has no caption for ${key}` };
  const split = typeof metadata.split === 'string' ? splitOfWord(metadata.split) : undefined;
  return { id: key, captions: different, picture: pictures[0]!.picture, metadata, ...(split && { split }) };
}
