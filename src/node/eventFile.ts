import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { eventFileStart, type Scalars, scalarEvent } from '../io/eventFile';

/** A file of numbers over steps that TensorBoard shows while it grows. */
export type EventFile = {
  add(step: number, scalars: Scalars): Promise<void>;
  close(): Promise<void>;
};

/** A new file in a folder, made when something is first added; others in it are other parts of the same run. */
export function eventFile(folder: string): EventFile {
  let file: Promise<FileHandle> | undefined;
  const seconds = () => Date.now() / 1000;
  const start = async () => {
    await mkdir(folder, { recursive: true });
    const name = `events.out.tfevents.${Math.floor(seconds())}.${hostname()}.${process.pid}`;
    const opened = await open(join(folder, name), 'a');
    await opened.appendFile(eventFileStart(seconds()));
    return opened;
  };
  return {
    async add(step, scalars) {
      file ??= start();
      await (await file).appendFile(scalarEvent(seconds(), step, scalars));
    },
    async close() {
      await (await file?.catch(() => undefined))?.close();
    },
  };
}
