import { isProblem, type Row } from '../data/layouts/entry';
import { MOST_LINE_BYTES } from '../data/layouts/lines';
import { fileBytes } from './fileBytes';

/** The base64 text of a picture in a file, by its place there. */
export type Base64Part = { url: string; where: string; offset: number; length: number };

const [TAB, NEWLINE] = [0x09, 0x0a];

/**
 * The pictures in Kaggle's `image_pixels` files, which have lines of an address, base64 and another address, between tabs: by their
 * places, so that no picture is held.
 */
export async function* base64Parts(path: string): AsyncGenerator<Row<Base64Part>> {
  let [offset, number] = [0, 1];
  let line: { start: number; tabs: number[]; head: Uint8Array[] } = { start: 0, tabs: [], head: [] };
  const finished = (end: number): Row<Base64Part> | undefined => {
    const { start, tabs, head } = line;
    const where = `${path}, line ${number++}`;
    line = { start: end + 1, tabs: [], head: [] };
    if (end === start) return undefined;
    if (tabs.length < 1) return { where, problem: 'has no tab between the address and the picture' };
    const url = new TextDecoder().decode(Buffer.concat(head)).slice(0, tabs[0]! - start);
    const from = tabs[0]! + 1;
    const length = (tabs[1] ?? end) - from;
    if (!/^https?:/i.test(url)) return { where, problem: 'does not start with the address of a picture' };
    if (length < 1 || length > MOST_LINE_BYTES) return { where, problem: `has a picture of ${length} bytes of base64` };
    return { url, where, offset: from, length };
  };
  for await (const chunk of fileBytes(path)) {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at];
      if (byte === TAB && line.tabs.length < 2) {
        if (line.tabs.length === 0) line.head.push(chunk.slice(from, at));
        line.tabs.push(offset + at);
      } else if (byte === NEWLINE) {
        const row = finished(offset + at);
        if (row) yield row;
        from = at + 1;
      }
    }
    // An address that goes on in the next chunk; what is longer than one is none.
    if (line.tabs.length === 0 && offset + chunk.length - line.start < 2 ** 16) line.head.push(chunk.slice(from));
    offset += chunk.length;
  }
  const row = finished(offset);
  if (row && (isProblem(row) || row.length > 0)) yield row;
}
