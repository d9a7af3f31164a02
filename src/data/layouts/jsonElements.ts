import { DataError } from '../../core/errors';
import { type Chunks, MOST_LINE_BYTES, textOf } from './lines';

const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [34, 92, 44, 123, 125, 91, 93];

/** An element of a list at the top of a JSON file: `name` is the list's, `index` counts from 0. */
export type JSONElement = { name: string; index: number; value: unknown };

/**
 * The elements of the lists of a JSON object, `{ "images": [...], "annotations": [...] }`, one by one: files of COCO have
 * hundreds of megabytes, of which this holds one element.
 *
 * @param names - the lists to read; all else is skipped
 * @param where - the file, for messages
 * @throws DataError where the file is no JSON object, is cut off, or has an element that is no JSON
 */
export async function* jsonElements(
  chunks: Chunks,
  names: readonly string[],
  where: string,
): AsyncGenerator<JSONElement> {
  /** Depth 0 is outside of the object, 1 in it, 2 in a list that is its value, 3 and more in an element of that list. */
  let depth = 0;
  let [inString, escaped, ended] = [false, false, false];
  /** The last string at depth 1: the name of the value that follows. */
  let name = '';
  let element = ''; // what was seen of the value that is being read, or of a name
  let capturing = false;
  let index = 0;
  let list: string | undefined;

  const parsed = (): JSONElement => {
    try {
      return { name: list!, index: index++, value: JSON.parse(element) };
    } catch (cause) {
      throw new DataError(
        `${where} has an element ${index - 1} of ${list} that is no JSON (${(cause as Error).message}). Copy or download the file again.`,
        { cause },
      );
    }
  };

  for await (const text of textOf(chunks, where)) {
    let from = 0; // where the captured part of this text begins
    for (let at = 0; at < text.length; at++) {
      const char = text.charCodeAt(at);
      if (inString) {
        if (escaped) escaped = false;
        else if (char === BACKSLASH) escaped = true;
        else if (char === QUOTE) {
          inString = false;
          if (depth === 1) {
            name = element + text.slice(from, at);
            element = '';
            capturing = false;
          }
        }
        continue;
      }
      if (char <= 32) continue;
      if (ended) throw new DataError(`${where} goes on after its end. Copy or download the file again.`);
      if (depth === 0) {
        if (char !== OPEN)
          throw new DataError(
            `${where} is no JSON object: it starts with ${JSON.stringify(text.slice(at, at + 20))}. Is it another file?`,
          );
        depth = 1;
        continue;
      }
      // The first character of an element opens it; numbers and words end at a comma or with the list.
      const inList = depth === 2 && list !== undefined;
      if (inList && !capturing && char !== COMMA && char !== CLOSE_LIST) {
        capturing = true;
        from = at;
      }
      if (char === QUOTE) {
        inString = true;
        if (depth === 1) {
          capturing = true;
          element = '';
          from = at + 1;
        }
      } else if (char === OPEN || char === OPEN_LIST) {
        if (depth === 1 && char === OPEN_LIST && names.includes(name)) {
          list = name;
          index = 0;
        }
        depth++;
      } else if (char === CLOSE || char === CLOSE_LIST || char === COMMA) {
        if (char !== COMMA) depth--;
        const endsElement = capturing && list !== undefined && (char === COMMA ? depth === 2 : depth === 1);
        if (endsElement) {
          element += text.slice(from, at);
          yield parsed();
          element = '';
          capturing = false;
        }
        if (depth === 1 && char !== COMMA) list = undefined;
        if (depth === 0) ended = true;
      }
    }
    if (!capturing) continue;
    element += text.slice(from);
    if (element.length > MOST_LINE_BYTES)
      throw new DataError(
        `${where} has an element ${index} of ${list ?? name} of more than 32 MiB, so it is no caption.`,
      );
  }
  if (depth === 0 && !ended) throw new DataError(`${where} is empty. Copy or download the file again.`);
  if (!ended) throw new DataError(`${where} is cut off: its JSON has no end. Copy or download the file again.`);
}
