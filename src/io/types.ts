/** Bytes by name: a folder, a web server, a browser's storage. Names use `/` and never leave the store. */
export interface Store {
  /** Where this is, for messages. */
  readonly location: string;
  /** The bytes, or those of `range` (end exclusive); rejects with a `DataError` that names what is missing. */
  read(name: string, range?: { start: number; end: number }): Promise<Uint8Array>;
  /** Bytes of a file; undefined where there is none. */
  size(name: string): Promise<number | undefined>;
  /** Writes whole or not at all: nobody ever reads half of it. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Every name under `prefix`, sorted. */
  list(prefix?: string): Promise<string[]>;
  /** Removes a name; what is not there is no error. */
  remove(name: string): Promise<void>;
}
