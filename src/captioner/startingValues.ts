import * as tf from '@tensorflow/tfjs';
import { UsageError } from '../core/errors';
import type { WordVectors } from '../data/wordVectors';

/** What a new captioner may begin with in place of random numbers. */
export type StartingValues = {
  /** Vectors of words, such as GloVe's (`wordVectors`); words without one begin at random. */
  wordVectors?: Pick<WordVectors, 'size' | 'vectors'>;
  /** The bias of the output layer, [vocabSize], such as `tokenBias` gives. */
  outputBias?: ArrayLike<number>;
};

/** The size of an embedding: what was asked for, that of the vectors, or else `usual`. */
export function embeddingSizeOf({ wordVectors }: StartingValues, asked: number | undefined, usual: number): number {
  if (wordVectors && asked !== undefined && asked !== wordVectors.size)
    throw new UsageError(
      `embeddingSize is ${asked} but the word vectors have ${wordVectors.size} numbers. Leave it out.`,
    );
  return asked ?? wordVectors?.size ?? usual;
}

/** @throws UsageError unless the values fit a vocabulary of this size */
export function expectStartingValues({ wordVectors, outputBias }: StartingValues, vocabSize: number): void {
  if (outputBias && outputBias.length !== vocabSize)
    throw new UsageError(
      `outputBias has ${outputBias.length} numbers but the vocabulary ${vocabSize} entries. Count tokens with the same tokenizer.`,
    );
  const beyond = [...(wordVectors?.vectors.keys() ?? [])].find((token) => !(token >= 0 && token < vocabSize));
  if (beyond !== undefined)
    throw new UsageError(
      `wordVectors has token ${beyond} but the vocabulary ${vocabSize} entries. Look words up with the same tokenizer.`,
    );
}

/** Puts the values into the parameters, which are variables. */
export function startFrom(
  params: { embedding: tf.Tensor2D; output: { bias: tf.Tensor1D } },
  { wordVectors, outputBias }: StartingValues,
): void {
  tf.tidy(() => {
    if (wordVectors && wordVectors.vectors.size > 0) {
      const { vectors, size } = wordVectors;
      const tokens = tf.tensor2d([...vectors.keys()], [vectors.size, 1], 'int32');
      const rows = new Float32Array(vectors.size * size);
      for (const [i, vector] of [...vectors.values()].entries()) rows.set(vector, i * size);
      const table = tf.tensorScatterUpdate(params.embedding, tokens, tf.tensor2d(rows, [vectors.size, size]));
      (params.embedding as tf.Tensor as tf.Variable).assign(table);
    }
    if (outputBias) (params.output.bias as tf.Tensor as tf.Variable).assign(tf.tensor1d(Float32Array.from(outputBias)));
  });
}
