/** Words to ids and back. Ids are int32; padding, start, end and unknown have ids of their own. */
export interface Tokenizer {
  readonly vocabSize: number;
  readonly padId: number;
  readonly startId: number;
  readonly endId: number;
  readonly unknownId: number;
  /** The ids of a caption, without start and end. */
  encode(caption: string): number[];
  /** The words of ids; special tokens are left out. */
  words(tokens: readonly number[]): string[];
  /** The text of ids; special tokens are left out. */
  decode(tokens: readonly number[]): string;
}
