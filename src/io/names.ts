import { DataError } from '../core/errors';

/**
 * Checks a name before a store uses it. Names come out of files, such as the index of a sharded checkpoint, so one
 * that leads out of the store must never reach the file system.
 *
 * @throws DataError unless the name is relative, uses `/` and has no empty, `.` or `..` part
 */
export function checkName(name: string): void {
  const parts = name.split('/');
  const allowed =
    parts.every((part) => part !== '' && part !== '.' && part !== '..') &&
    !/^[a-z]:/i.test(name) &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
    !/[\\\u0000-\u001f]/.test(name);
  if (allowed) return;
  throw new DataError(
    `${JSON.stringify(name)} cannot be a name in a store. Names are relative and use '/', such as 'training/100/model.safetensors'.`,
  );
}

export type Range = { start: number; end: number };

/**
 * Checks a range where its bytes are about to be read.
 *
 * @param size - bytes that are there
 * @throws DataError where the range lies outside of them
 */
export function checkRange(name: string, { start, end }: Range, size: number): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= size) return;
  throw new DataError(`Bytes ${start} to ${end} were asked of '${name}', which has ${size}. Was it cut short?`);
}
