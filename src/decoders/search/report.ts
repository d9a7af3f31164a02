import * as tf from '@tensorflow/tfjs';
import { DataError } from '../../core/errors';
import { largest } from './scores';

/** What a search wants to know of the next tokens of every row. */
export type Question = {
  /** How many of the likeliest tokens; all of the vocabulary where it is as large or larger. */
  width: number;
  /** For every row, further tokens whose log-probabilities are wanted. */
  changed: readonly (readonly number[])[];
  /** Whether `offset` is wanted. */
  offset: boolean;
};

/** What is known of the next token of one row. Without `tokens` it is the whole vocabulary in order. */
export type Row = {
  tokens?: Int32Array;
  logProbs: Float64Array;
  /** What a log-probability has to gain to be the logit (after temperature), where it was asked for. */
  offset?: number;
  /** Whatever else was put beside: attention weights. */
  rest: Float32Array;
};

/**
 * Where tf.topk runs as plain JavaScript, whole rows are read, which lie in this memory anyway, and picked from here: that is
 * several times as fast from some ten thousand words on, and no slower with fewer.
 */
const PICKED_HERE = ['cpu', 'onnxruntime'];

/** Whether whole rows are read: where all is wanted, and where picking is faster here. */
const wholeRows = ({ width }: Question, vocabSize: number) =>
  width >= vocabSize || PICKED_HERE.includes(tf.getBackend());

/**
 * The answer in one tensor [rows, columns], so that a step reads back once: log-probabilities of the likeliest tokens, their
 * ids, log-probabilities of `changed`, the offset, and then `rest`; or those of all tokens, the offset and `rest`.
 *
 * @param logits - [rows, vocabSize], divided by the temperature already
 */
export function report(logits: tf.Tensor2D, question: Question, rest: readonly tf.Tensor2D[]): tf.Tensor2D {
  const logProbs = tf.logSoftmax(logits);
  const offset = question.offset ? [tf.sub<tf.Tensor2D>(tf.max(logits, 1, true), tf.max(logProbs, 1, true))] : [];
  const columns = wholeRows(question, logits.shape[1]) ? [logProbs] : likeliest(logProbs, question);
  return tf.concat([...columns, ...offset, ...rest], 1);
}

function likeliest(logProbs: tf.Tensor2D, { width, changed }: Question): tf.Tensor2D[] {
  const [rows, vocabSize] = logProbs.shape;
  const { values, indices } = tf.topk(logProbs, width);
  const best = [values, tf.cast<tf.Tensor2D>(indices, 'float32')]; // ids are exact in float32 up to 2^24
  const most = widest(changed);
  if (most === 0) return best;
  const places = new Int32Array(rows * most); // where a row wants fewer, its first token again
  changed.forEach((tokens, row) => {
    for (let i = 0; i < most; i++) places[row * most + i] = row * vocabSize + Math.min(tokens[i] ?? 0, vocabSize - 1);
  });
  const flat = tf.reshape(logProbs, [rows * vocabSize]);
  return [...best, tf.reshape(tf.gather(flat, tf.tensor1d(places, 'int32')), [rows, most])];
}

const widest = (changed: Question['changed']) => changed.reduce((most, tokens) => Math.max(most, tokens.length), 0);

/**
 * Takes apart what was read.
 *
 * @throws DataError where the logits were not numbers
 */
export function readReport(numbers: Float32Array, rows: number, vocabSize: number, question: Question): Row[] {
  const { width, changed, offset } = question;
  const whole = wholeRows(question, vocabSize);
  const known = whole ? vocabSize : 2 * width + widest(changed);
  const columns = numbers.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const values = numbers.subarray(row * columns, (row + 1) * columns);
    if (Number.isNaN(values[0]))
      throw new DataError(
        'The decoder gave logits that are not numbers. Its weights are damaged or its training went astray.',
      );
    const rest = values.subarray(known + (offset ? 1 : 0));
    const shared = { ...(offset && { offset: values[known]! }), rest };
    const wanted = changed[row] ?? [];
    if (whole) {
      const all = values.subarray(0, vocabSize);
      if (width >= vocabSize) return { ...shared, logProbs: Float64Array.from(all) };
      const tokens = Int32Array.from(new Set([...largest(all, width), ...wanted.filter((token) => token < vocabSize)]));
      return { ...shared, tokens, logProbs: Float64Array.from(tokens, (token) => all[token]!) };
    }
    const logProbOf = new Map<number, number>();
    for (let i = 0; i < width; i++) logProbOf.set(values[width + i]!, values[i]!);
    wanted.forEach((token, i) => {
      if (token < vocabSize) logProbOf.set(token, values[2 * width + i]!);
    });
    return {
      ...shared,
      tokens: Int32Array.from(logProbOf.keys()),
      logProbs: Float64Array.from(logProbOf.values()),
    };
  });
}
