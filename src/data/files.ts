/** Files to read by name, such as those of a published model; a `Store` is that. */
export type Files = {
  /** Where they are, for messages. */
  readonly location: string;
  read(name: string): Promise<Uint8Array>;
  /** Bytes of a file; undefined where there is none. */
  size(name: string): Promise<number | undefined>;
};

/** The bytes of a file that need not be there. */
export async function readIfThere(files: Files, name: string): Promise<Uint8Array | undefined> {
  return (await files.size(name)) === undefined ? undefined : files.read(name);
}
