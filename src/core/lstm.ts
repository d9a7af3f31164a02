import * as tf from '@tensorflow/tfjs';
import { uniform } from './init';
import { ownKernel } from './ownKernel';
import type { Random } from './random';

/**
 * PyTorch's parametrisation, gates in the order input, forget, cell, output:
 * input [inputSize, 4 hiddenSize], hidden [hiddenSize, 4 hiddenSize], inputBias and hiddenBias [4 hiddenSize].
 */
export type LSTMParams = { input: tf.Tensor2D; hidden: tf.Tensor2D; inputBias: tf.Tensor1D; hiddenBias: tf.Tensor1D };

/** hidden and cell [rows, hiddenSize] */
export type LSTMState = { hidden: tf.Tensor2D; cell: tf.Tensor2D };

/** PyTorch's initialisation: all uniform in +-1 / sqrt(hiddenSize). */
export function lstmParams(inputSize: number, hiddenSize: number, random: Random): LSTMParams {
  const limit = 1 / Math.sqrt(hiddenSize);
  return {
    input: uniform<tf.Rank.R2>([inputSize, 4 * hiddenSize], limit, random.fork('input')),
    hidden: uniform<tf.Rank.R2>([hiddenSize, 4 * hiddenSize], limit, random.fork('hidden')),
    inputBias: uniform<tf.Rank.R1>([4 * hiddenSize], limit, random.fork('inputBias')),
    hiddenBias: uniform<tf.Rank.R1>([4 * hiddenSize], limit, random.fork('hiddenBias')),
  };
}

/**
 * One step of a long short-term memory from its gates before their activations.
 *
 * @param gates - [rows, 4 hiddenSize], in the order input, forget, cell, output
 * @param cell - [rows, hiddenSize], before the step
 * @see Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000
 */
export function lstmCell(gates: tf.Tensor2D, cell: tf.Tensor2D): LSTMState {
  return lstmForward(gates, cell).next;
}

/** A step's activated gates, the cell before it and the squashed cell after it, [rows, hiddenSize] each. */
export type LSTMActivations = {
  input: tf.Tensor2D;
  forget: tf.Tensor2D;
  candidate: tf.Tensor2D;
  output: tf.Tensor2D;
  before: tf.Tensor2D;
  squashed: tf.Tensor2D;
};

type Seven = [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];

/** `lstmCell` with what its way back needs. */
export function lstmForward(
  gates: tf.Tensor2D,
  before: tf.Tensor2D,
): { next: LSTMState; activations: LSTMActivations } {
  const whole = ownKernel('LSTMCell', { gates, cell: before }, {}) as tf.Tensor2D[] | undefined;
  if (whole) {
    const [hidden, cell, input, forget, candidate, output, squashed] = whole as Seven;
    return { next: { hidden, cell }, activations: { input, forget, candidate, output, before, squashed } };
  }
  const parts = tf.split(gates, 4, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const [input, forget, candidate, output] = [
    tf.sigmoid(parts[0]),
    tf.sigmoid(parts[1]),
    tf.tanh(parts[2]),
    tf.sigmoid(parts[3]),
  ];
  const cell = tf.add<tf.Tensor2D>(tf.mul(forget, before), tf.mul(input, candidate));
  const squashed = tf.tanh(cell);
  const hidden = tf.mul<tf.Tensor2D>(output, squashed);
  return { next: { hidden, cell }, activations: { input, forget, candidate, output, before, squashed } };
}

/**
 * How a step's state answers to its gates: everything in the way back that does not depend on what comes from above, so
 * that it can be computed for all steps at once.
 *
 * cellToGates [rows, 3, hiddenSize]: input, forget, candidate; the others [rows, hiddenSize]
 */
export type LSTMSlopes = {
  hiddenToOutput: tf.Tensor2D;
  hiddenToCell: tf.Tensor2D;
  cellToGates: tf.Tensor3D;
  cellToBefore: tf.Tensor2D;
};

/**
 * With h' = o tanh(c') and c' = f c + i g, of gates i, f, o = sigmoid and g = tanh of what was given:
 *
 *   dh'/d(output)  = tanh(c') o (1 - o)      dc'/d(input)     = g i (1 - i)      dc'/dc = f
 *   dh'/dc'        = o (1 - tanh(c')^2)      dc'/d(forget)    = c f (1 - f)
 *                                            dc'/d(candidate) = i (1 - g^2)
 */
export function lstmSlopes({ input, forget, candidate, output, before, squashed }: LSTMActivations): LSTMSlopes {
  const sigmoidSlope = (y: tf.Tensor2D) => tf.mul(y, tf.sub(1, y));
  const tanhSlope = (y: tf.Tensor2D) => tf.sub(1, tf.square(y));
  return {
    hiddenToOutput: tf.mul(squashed, sigmoidSlope(output)),
    hiddenToCell: tf.mul(output, tanhSlope(squashed)),
    cellToGates: tf.stack(
      [
        tf.mul(candidate, sigmoidSlope(input)),
        tf.mul(before, sigmoidSlope(forget)),
        tf.mul(input, tanhSlope(candidate)),
      ],
      1,
    ) as tf.Tensor3D,
    cellToBefore: forget,
  };
}

/**
 * The way back through one step.
 *
 * @param after - gradients of hidden and cell after the step
 * @returns gradients of the gates [rows, 4 hiddenSize] and of the cell before
 */
export function lstmBackward(slopes: LSTMSlopes, after: LSTMState): { gates: tf.Tensor2D; cell: tf.Tensor2D } {
  const whole = ownKernel('LSTMBackward', { ...after, ...slopes }, {}) as [tf.Tensor2D, tf.Tensor2D] | undefined;
  if (whole) return { gates: whole[0], cell: whole[1] };
  const [rows, size] = after.cell.shape;
  const cell = tf.add<tf.Tensor2D>(after.cell, tf.mul(after.hidden, slopes.hiddenToCell));
  const inner = tf.reshape(tf.mul(tf.expandDims(cell, 1), slopes.cellToGates), [rows, 3 * size]);
  const outer = tf.mul(after.hidden, slopes.hiddenToOutput);
  return { gates: tf.concat([inner, outer], 1) as tf.Tensor2D, cell: tf.mul(cell, slopes.cellToBefore) };
}

/** The gates before their activations, [rows, 4 hiddenSize], of input [rows, inputSize] and hidden [rows, hiddenSize]. */
export function lstmGates(params: LSTMParams, input: tf.Tensor2D, hidden: tf.Tensor2D): tf.Tensor2D {
  const fromInput = tf.add(tf.matMul(input, params.input), params.inputBias);
  return tf.add<tf.Tensor2D>(fromInput, tf.add(tf.matMul(hidden, params.hidden), params.hiddenBias));
}
