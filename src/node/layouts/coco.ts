import { join } from 'node:path';
import { DataError } from '../../core/errors';
import { readCOCOElement, readKarpathyPicture } from '../../data/layouts/coco';
import { type Row, splitOfFileName, splitOfWord } from '../../data/layouts/entry';
import { jsonElements } from '../../data/layouts/jsonElements';
import { NameTable } from '../../data/nameTable';
import type { Split } from '../../data/types';
import { fileBytes } from '../fileBytes';
import { filesNamed, type Layout, withFolders } from '../layout';
import { PictureFolders } from '../pictureFolders';

/**
 * COCO: `captions_train2017.json` and the like, there or in `annotations`, pictures in the folder of that split (`train2017`, also in
 * `images`). Ids are COCO's. Its validation split is `dev`; there are no captions of its test split.
 */
export const coco: Layout = {
  lookedFor: "COCO's captions_*.json (there or in annotations)",
  async recognise(folder) {
    const files = (await withFolders(folder, ['annotations'])).flatMap((each) =>
      filesNamed(each, /^captions_.*\.json$/),
    );
    if (files.length === 0) return undefined;
    const sets = files.map((file) => ({ ...file, set: /(?:train|val|test)\d{4}/.exec(file.name)?.[0] }));
    const years = new Set(sets.flatMap(({ set }) => (set === undefined ? [] : [set.slice(-4)])));
    if (years.size > 1)
      throw new DataError(
        `${folder.path} has captions of COCO ${[...years].join(' and ')} (${files.map(({ name }) => name).join(', ')}), which share ` +
          'their pictures across splits. Keep those of one year in it.',
      );
    const splitsOf = sets.map(({ name }) => splitOfFileName(name.replace(/^captions_/, '')));
    const places = ['', 'images', ...new Set(sets.flatMap(({ set }) => (set === undefined ? [] : [set])))];
    const pictures = new PictureFolders(folder.path, places);
    return {
      layout: 'coco',
      because: files[0]!.path,
      pictureFolders: pictures.paths,
      scattered: true,
      async *entries(): AsyncGenerator<Row> {
        // A second file may hold the same captions again, such as a selection of them.
        const seen = new NameTable();
        for (const [index, { path, set }] of sets.entries()) {
          const split = splitsOf[index];
          const first = set === undefined ? [] : [set, join('images', set)];
          let repeated = 0;
          for await (const element of jsonElements(fileBytes(path), ['images', 'annotations'], path)) {
            const read = readCOCOElement(element);
            const where = `${path}, ${element.name} ${element.index}`;
            if ('problem' in read) {
              yield { where, problem: read.problem };
            } else if ('file' in read) {
              const file = await pictures.find(read.file, first);
              yield { id: read.id, captions: [], where, ...withSplit(split), ...(file && { picture: { file } }) };
            } else if (read.annotation !== undefined && !seen.isNew(`${split} ${read.annotation}`)) {
              repeated++;
            } else yield { id: read.id, captions: [read.caption], where, ...withSplit(split) };
          }
          if (repeated > 0)
            yield { where: path, problem: `has ${repeated} captions for the second time; they count once` };
        }
      },
    };
  },
};

const karpathyFolders = [
  'images',
  'Images',
  'Flicker8k_Dataset',
  'Flickr8k_Dataset',
  'flickr30k-images',
  'flickr30k_images',
];

/**
 * Karpathy's splits, `dataset_coco.json`, `dataset_flickr8k.json` or `dataset_flickr30k.json`: captions and splits in one file. `restval`
 * is trained on, as everybody does. Ids are COCO's where the file has them, else the names of pictures.
 */
export const karpathy: Layout = {
  lookedFor: "Karpathy's dataset_*.json",
  async recognise(folder) {
    const files = filesNamed(folder, /^dataset(?:_.*)?\.json$/);
    if (files.length === 0) return undefined;
    if (files.length > 1)
      throw new DataError(
        `${folder.path} has ${files.map(({ name }) => name).join(', ')}, which share no pictures. Keep one of them in it.`,
      );
    const { path } = files[0]!;
    const pictures = new PictureFolders(folder.path, [...karpathyFolders, '']);
    return {
      layout: 'karpathy',
      because: path,
      pictureFolders: pictures.paths,
      async *entries(): AsyncGenerator<Row> {
        for await (const { name, index, value } of jsonElements(fileBytes(path), ['images'], path)) {
          const where = `${path}, ${name} ${index}`;
          const read = readKarpathyPicture(value);
          if ('problem' in read) {
            yield { where, problem: read.problem };
            continue;
          }
          const split = splitOfWord(read.word);
          if (split === undefined) {
            yield { where, problem: `has the split ${JSON.stringify(read.word)}, which is none of Karpathy's` };
            continue;
          }
          const file = await pictures.find(read.file, [read.folder, join('images', read.folder)].filter(Boolean));
          const { id, captions } = read;
          yield { id, captions, where, split, ...(file !== undefined && { picture: { file } }) };
        }
      },
    };
  },
};

function withSplit(split: Split | undefined) {
  return split === undefined ? {} : { split };
}
