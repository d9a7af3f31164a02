import type { Dataset, Entity, File, Group } from 'h5wasm';
import { DataError } from '../core/errors';

/** Bytes that are read from outside, such as a part of a file. */
export type Bytes = { readonly size: number; read(start: number, end: number): Promise<Uint8Array> };

/** Read at once around what is asked for. */
const BLOCK = 2 ** 16;
/** What is read in one piece and larger than this is a tensor, and kept only while it is needed. */
const LARGE = 2 ** 20;
const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
/** `EIO` of the file system in h5wasm. */
const INPUT_OUTPUT = 29;

export type Hdf5Library = typeof import('h5wasm');
/** Does one thing with a file, again and again until the bytes that it needs are there. */
export type Step = <R>(run: () => R) => Promise<R>;
type Stream = { stream_ops: StreamOperations };
type StreamOperations = {
  read(stream: unknown, buffer: Int8Array, offset: number, length: number, position: number): number;
  write(stream: unknown, buffer: Int8Array, offset: number, length: number, position: number): number;
};
/** What is used of Emscripten's file system beyond the types of h5wasm. */
type FileSystem = {
  writeFile(path: string, bytes: Uint8Array): void;
  unlink(path: string): void;
  lookupPath(path: string): { node: Stream & { usedBytes: number } };
  getStream(descriptor: number): Stream;
  ErrnoError: new (code: number) => Error;
};

let files = 0;

/**
 * Runs `body` on an open HDF5 file of which only the bytes that are needed are ever read: the library asks for bytes at once, those
 * that are not at hand are fetched, and the step that asked for them is repeated. `body` therefore gets `step`, through which it
 * does everything with the file.
 *
 * @throws DataError where the bytes are no HDF5 file, or a damaged one
 */
export async function withHDF5<T>(
  bytes: Bytes,
  body: (file: File, step: Step, library: Hdf5Library) => Promise<T>,
): Promise<T> {
  const first = await bytes.read(0, Math.min(BLOCK, bytes.size));
  if (!SIGNATURE.every((byte, index) => first[index] === byte))
    throw new DataError('It is no HDF5 file: it does not begin as one. Fetch or write it again.');
  const library = await import('h5wasm');
  const system = (await library.ready).FS as unknown as FileSystem;
  const path = `captioning-${files++}.h5`;
  system.writeFile(path, new Uint8Array(0));
  let held = [{ start: 0, bytes: first }];
  let wanted: { start: number; end: number } | undefined;
  const { node } = system.lookupPath(path);
  node.usedBytes = bytes.size;
  node.stream_ops = {
    ...node.stream_ops,
    read(_, buffer, offset, length, position) {
      const end = Math.min(position + length, bytes.size);
      if (end <= position) return 0;
      const piece = held.find(({ start, bytes: own }) => start <= position && end <= start + own.length);
      if (!piece) {
        wanted = { start: position, end };
        throw new system.ErrnoError(INPUT_OUTPUT);
      }
      buffer.set(piece.bytes.subarray(position - piece.start, end - piece.start), offset);
      return end - position;
    },
  };
  const step = async <R>(run: () => R): Promise<R> => {
    for (;;) {
      wanted = undefined;
      let result: R | undefined;
      let failure: unknown;
      try {
        result = quietly(system, run);
      } catch (error) {
        failure = error;
      }
      // Set within `run`, which the compiler does not see.
      const asked = wanted as { start: number; end: number } | undefined;
      if (!asked) {
        held = held.filter((piece) => piece.bytes.length <= LARGE);
        if (failure !== undefined) throw damaged(failure);
        return result as R;
      }
      const large = asked.end - asked.start > LARGE;
      const start = large ? asked.start : Math.floor(asked.start / BLOCK) * BLOCK;
      const end = large ? asked.end : Math.min(bytes.size, Math.ceil(asked.end / BLOCK) * BLOCK);
      held.push({ start, bytes: await bytes.read(start, end) });
    }
  };
  try {
    const file = await step(() => new library.File(path, 'r'));
    if (file.file_id < 0) throw damaged('it does not open');
    try {
      return await body(file, step, library);
    } finally {
      quietly(system, () => file.close());
    }
  } finally {
    system.unlink(path);
  }
}

/** Runs without what the library writes to its error stream: a step that lacks bytes is no error yet. */
function quietly<R>(system: FileSystem, run: () => R): R {
  const stream = system.getStream(2);
  const operations = stream.stream_ops;
  stream.stream_ops = { ...operations, write: (_stream, _buffer, _offset, length) => length };
  try {
    return run();
  } finally {
    stream.stream_ops = operations;
  }
}

export const isGroup = (library: Hdf5Library, entity: Entity | null): entity is Group =>
  entity instanceof library.Group;

export const isDataset = (library: Hdf5Library, entity: Entity | null): entity is Dataset =>
  entity instanceof library.Dataset;

const damaged = (cause: unknown) =>
  new DataError(
    `It is a damaged HDF5 file: ${`${cause instanceof Error ? cause.message : cause}`.split('\n', 1)[0]}. Fetch or write it again.`,
    cause instanceof Error ? { cause } : {},
  );
