import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { afterEach, beforeEach } from 'vitest';

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** A new folder for each test, and how to write files into it. */
export function useFolder(): { readonly root: string; write(files: Files): Promise<void> } {
  let root = '';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'captions-'));
  });
  afterEach(() => rm(root, { recursive: true }));
  return {
    get root() {
      return root;
    },
    async write(files) {
      for (const [name, content] of Object.entries(files)) {
        await mkdir(join(root, name, '..'), { recursive: true });
        await writeFile(join(root, name), content);
      }
    },
  };
}

/** A small picture whose content the seed decides; `width` tells it apart. */
export async function picture(seed: number, { width = 48, format = 'png' as 'png' | 'jpeg' | 'webp' } = {}) {
  const bytes = createHash('sha512').update(`${seed}`).digest();
  const data = Buffer.from(Array.from({ length: 8 * 8 * 3 }, (_, i) => bytes[i % 64]! ^ (i * 37)));
  return sharp(data, { raw: { width: 8, height: 8, channels: 3 } })
    .resize(width, 40, { fit: 'fill' })
    .toFormat(format)
    .toBuffer();
}

/** `name.jpg`s in a folder, each another picture. */
export async function pictures(folder: string, names: readonly string[]): Promise<Files> {
  const entries = names.map(async (name, seed) => [join(folder, name), await picture(seed)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** One member of a tar, in the ustar format. */
export function tarMember(name: string, body: string | Uint8Array, type = '0'): Buffer {
  const content = Buffer.from(body);
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar\0', 257);
  header.write('00', 263);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

export const tarEnd = Buffer.alloc(1024);

export function tar(files: Files): Buffer {
  return Buffer.concat([...Object.entries(files).map(([name, body]) => tarMember(name, body)), tarEnd]);
}

type Column = Parameters<typeof parquetWriteBuffer>[0]['columnData'][number];
type Schema = NonNullable<Parameters<typeof parquetWriteBuffer>[0]['schema']>;

export function parquetFile(columnData: Column[], schema?: Schema): Uint8Array {
  return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 2, ...(schema && { schema }) }));
}

/** `image: { bytes, path }` and a list of captions in each row, as the Hugging Face hub has them. */
export function hubParquet(rows: readonly { image: { bytes: Uint8Array | null; path: string }; captions: string[] }[]) {
  const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const;
  return parquetFile(
    [
      { name: 'image', data: rows.map(({ image }) => image) },
      { name: 'captions', data: rows.map(({ captions }) => captions) },
    ],
    [
      { name: 'root', num_children: 2 },
      { name: 'image', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', ...text },
      { name: 'captions', num_children: 1, repetition_type: 'OPTIONAL', converted_type: 'LIST' },
      { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
      { name: 'element', ...text },
    ],
  );
}
