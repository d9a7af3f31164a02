import * as v from 'valibot';
import type { Entry } from './entry';
import type { JSONElement } from './jsonElements';

const id = v.pipe(v.union([v.string(), v.number()]), v.transform(String));

const image = v.object({ id, file_name: v.string() });
const annotation = v.object({ image_id: id, id: v.optional(id), caption: v.string() });

/** What an element of COCO's caption files says: a picture, or a caption of one; or what is wrong with it. */
export type COCOElement =
  | { id: string; file: string }
  | { id: string; caption: string; annotation: string | undefined }
  | { problem: string };

/** @see Lin et al. 2014 and Chen et al. 2015, https://cocodataset.org/#format-data, section 5 */
export function readCOCOElement({ name, value }: JSONElement): COCOElement {
  if (name === 'images') {
    const read = v.safeParse(image, value);
    if (!read.success) return { problem: 'is no picture with an id and a file_name' };
    return { id: read.output.id, file: read.output.file_name };
  }
  const read = v.safeParse(annotation, value);
  if (!read.success) return { problem: 'is no caption with an image_id and a caption' };
  const { image_id, caption, id } = read.output;
  if (caption.trim() === '') return { problem: `has no caption for picture ${image_id}` };
  return { id: image_id, caption: caption.trim(), annotation: id };
}

const karpathyImage = v.object({
  filename: v.string(),
  filepath: v.optional(v.string()),
  split: v.string(),
  cocoid: v.optional(id),
  sentences: v.array(v.object({ raw: v.string() })),
});

/** A picture of Karpathy's `dataset_*.json`; its id is COCO's where it has one, so that both agree on what a picture is. */
export type KarpathyPicture = Pick<Entry, 'id' | 'captions'> & { file: string; folder: string; word: string };

/** @see Karpathy and Fei-Fei 2015, https://cs.stanford.edu/people/karpathy/deepimagesent/ */
export function readKarpathyPicture(value: unknown): KarpathyPicture | { problem: string } {
  const read = v.safeParse(karpathyImage, value);
  if (!read.success) return { problem: 'is no picture with a filename, a split and sentences' };
  const { filename, filepath = '', split, cocoid, sentences } = read.output;
  const captions = sentences.map(({ raw }) => raw.trim()).filter((caption) => caption !== '');
  const id = cocoid ?? filename;
  if (captions.length === 0) return { problem: `has no caption for ${id}` };
  return { id, captions, file: filename, folder: filepath, word: split };
}
