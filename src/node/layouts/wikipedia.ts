import { basename } from 'node:path';
import { type Row, splitOfFileName } from '../../data/layouts/entry';
import { isWikipediaHeader, readWikipediaRow } from '../../data/layouts/wikipedia';
import { base64Parts } from '../base64Parts';
import { filesNamed, type Layout, withFolders } from '../layout';
import { separatedValues } from '../separatedValues';
import { headerOf } from './tables';

const tables = /\.(?:tsv|csv)(?:\.gz)?$/i;
const pixelFiles = /image_pixels.*\.csv(?:\.gz)?$/i;

/**
 * Captions of Wikipedia's pictures: WIT's tables (`wit_v1.train.all-00000-of-00010.tsv.gz`) and those of Kaggle's competition
 * (`train-00000-of-00005.tsv`). Pictures are those that were downloaded, or lie as base64 in Kaggle's `image_pixels` files or in a
 * column `b64_bytes`.
 */
export const wikipedia: Layout = {
  lookedFor: "WIT's or Kaggle's Wikipedia tables (TSV with image_url and caption_reference_description)",
  async recognise(folder, { pictures, wikipediaCaption }) {
    const files: { path: string; names: string[] }[] = [];
    for (const { path } of filesNamed(folder, tables)) {
      const names = await headerOf(path);
      if (isWikipediaHeader(names)) files.push({ path, names });
    }
    if (files.length === 0) return undefined;
    const places = await withFolders(folder, ['image_pixels', 'image_data_train', 'image_data_test']);
    const inside = await Promise.all(places.slice(1).map((place) => withFolders(place, ['image_pixels'])));
    const pixels = [...places, ...inside.flatMap((all) => all.slice(1))].flatMap((place) =>
      filesNamed(place, pixelFiles),
    );
    return {
      layout: 'wikipedia',
      because: files[0]!.path,
      pictureFolders: [pictures.folder],
      // Pictures and captions lie in different files.
      scattered: pixels.length > 0,
      async *entries(): AsyncGenerator<Row> {
        for (const { path } of pixels) {
          if (path.endsWith('.gz')) {
            yield { where: path, problem: 'is packed, so its pictures cannot be found in it; unpack it with gunzip' };
            continue;
          }
          for await (const part of base64Parts(path)) {
            if ('problem' in part) yield part;
            else {
              const { url, where, ...place } = part;
              yield { id: url, captions: [], where, picture: { file: path, ...place, encoding: 'base64' } };
            }
          }
        }
        for (const { path, names } of files) {
          const split = splitOfFileName(basename(path));
          for await (const rows of separatedValues(path, '\t'))
            for (const { line, fields } of rows) {
              if (line === 1) continue;
              const where = `${path}, line ${line}`;
              if (fields.length !== names.length) {
                yield { where, problem: `has ${fields.length} fields but should have ${names.length}` };
                continue;
              }
              const row = Object.fromEntries(names.map((name, index) => [name, fields[index]!]));
              const read = readWikipediaRow(row, wikipediaCaption);
              if ('problem' in read) {
                yield { where, problem: read.problem };
                continue;
              }
              const picture = row.b64_bytes ? { base64: row.b64_bytes } : pictures.source(read.id);
              yield { ...read, where, ...(split && { split }), picture };
            }
        }
      },
    };
  },
};
