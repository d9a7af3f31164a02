/** The bytes of one of the package's files, such as `paraphrases.bin.gz`, as they come. */
export function open(name: string): Promise<ReadableStream<Uint8Array>>;
