import type * as tf from '@tensorflow/tfjs';
import { type GRUParams, gruCell, gruParams } from './gru';
import { type LSTMParams, lstmCell, lstmGates, lstmParams } from './lstm';
import type { Random } from './random';

/** The kinds of recurrent layers: long short-term memory, gated recurrent unit. */
export const CELLS = ['lstm', 'gru'] as const;
export type CellName = (typeof CELLS)[number];

/** Both kinds have the same four parameters; an LSTM has four gates, a GRU three. */
export type RecurrentParams = LSTMParams | GRUParams;

/** hidden [rows, hiddenSize], and the cell of an LSTM, [rows, hiddenSize] */
export type RecurrentState = { hidden: tf.Tensor2D; cell?: tf.Tensor2D };

export function recurrentParams(cell: CellName, inputSize: number, hiddenSize: number, random: Random) {
  return (cell === 'lstm' ? lstmParams : gruParams)(inputSize, hiddenSize, random);
}

/** One step of a layer: input [rows, inputSize]. */
export function recurrentStep(params: RecurrentParams, input: tf.Tensor2D, state: RecurrentState): RecurrentState {
  const { hidden, cell } = state;
  return cell ? lstmCell(lstmGates(params, input, hidden), cell) : { hidden: gruCell(params, input, hidden) };
}
