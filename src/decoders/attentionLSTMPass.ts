import * as tf from '@tensorflow/tfjs';
import { type AdditiveAttentionParams, type AttentionMemory, additiveAttention } from '../attention/additive';
import { type AttentionSums, additiveAttentionBackward, keyGradients } from '../attention/additiveBackward';
import { type LinearParams, linear } from '../core/linear';
import {
  type LSTMActivations,
  type LSTMParams,
  type LSTMState,
  lstmBackward,
  lstmForward,
  lstmGates,
  lstmSlopes,
} from '../core/lstm';
import { type LazyGradients, operation } from '../core/operation';
import { leaves, mapTree, type Tree } from '../core/tree';
import { type Block, type Packing, positionsIn } from './packing';

/** What the pass depends on, all of it differentiable. */
export type PassInputs = Pick<AdditiveAttentionParams, 'query' | 'score'> &
  Pick<AttentionMemory, 'features' | 'keys'> & {
    contextGate: LinearParams | undefined;
    lstm: LSTMParams[];
    /** What is read, place by place of the packing, [places, embeddingSize] */
    words: tf.Tensor2D;
    /** The state before the first word, one per layer, [rows, hiddenSize] */
    initial: LSTMState[];
  };

export type PassOptions = {
  packing: Packing;
  activation: 'tanh' | 'relu';
  keyPaddingMask: tf.Tensor2D | undefined;
  /** Factors of dropout on what `layer` reads from the one below in step t, [block.rows, hiddenSize]; none without. */
  layerDropout: (layer: number, t: number, block: Block) => tf.Tensor2D | undefined;
  /** Whether contexts are returned too. */
  contexts: boolean;
};

/** hidden [places, hiddenSize] of the top layer, weights [places, positions], context [places, featureSize] */
type PassOutputs = [hidden: tf.Tensor2D, weights: tf.Tensor2D, context?: tf.Tensor2D];

/**
 * The recurrent pass of the attention LSTM decoder over all steps, with a way back written by hand.
 *
 * A step, from the states h and c of all layers before it:
 *
 *   raw, weights = attention(h of the top layer; memory)         context = raw, or sigmoid(gate(h of the top layer)) * raw
 *   gates of layer 0 = [word, context] input + h hidden + biases
 *   gates of layer l = factors * (new h of layer l - 1) input + h hidden + biases
 *
 * The way back goes through the steps from the last to the first for what each needs of the one after it. Gradients of
 * weights wait for its end: each is one large product over all steps. Only what has the size of a state, a context or a
 * row of weights is kept from a step; what the attention computes for every position is computed again.
 */
export function attentionLSTMPass(inputs: PassInputs, options: PassOptions): PassOutputs {
  return operation<PassInputs, PassOutputs, Kept>(
    inputs,
    () => forward(inputs, options),
    ([hidden, weights, context], kept) => backward(kept, options, { hidden, weights, context }),
  );
}

/** A step's results, [rows, ...] each. */
type Step = {
  /** Hidden state of every layer before the step. */
  before: tf.Tensor2D[];
  weights: tf.Tensor2D;
  context: tf.Tensor2D;
  gated: { raw: tf.Tensor2D; gate: tf.Tensor2D } | undefined;
  layers: { next: LSTMState; activations: LSTMActivations }[];
  /** What layers above the first read, and dropout's part in it. */
  read: tf.Tensor2D[];
  factors: (tf.Tensor2D | undefined)[];
};

function forward(inputs: PassInputs, options: PassOptions) {
  const { packing, keyPaddingMask } = options;
  const { words, lstm } = inputs;
  const first = lstm[0]!;
  const { fromWord, fromContext } = inputParts(inputs);
  const bias = tf.add(first.inputBias, first.hiddenBias);
  const given = tf.split(tf.add(tf.matMul(words, fromWord), bias), stepSizes(packing), 0);
  const steps: Step[] = [];
  let state = inputs.initial;
  for (const [index, block] of packing.blocks.entries()) {
    state = mapTree(state, (x) => takeFrom(x, positionsIn(rowsBefore(packing, index), block.rows)));
    const memory = memoryOf({ ...inputs, ...(keyPaddingMask && { keyPaddingMask }) }, block);
    for (let t = block.begin; t < block.end; t++) {
      const step = tf.tidy(() =>
        stepForward(inputs, options, memory, state, given[t] as tf.Tensor2D, fromContext, t, block),
      );
      steps.push(step);
      state = step.layers.map(({ next }) => next);
    }
  }
  const hidden = overSteps(steps, ({ layers }) => layers.at(-1)!.next.hidden);
  const weights = overSteps(steps, (step) => step.weights);
  const context = overSteps(steps, (step) => step.context);
  const kept = {
    inputs,
    weights,
    context,
    gated: inputs.contextGate && {
      raw: overSteps(steps, ({ gated }) => gated!.raw),
      gate: overSteps(steps, ({ gated }) => gated!.gate),
    },
    layers: lstm.map((_, layer) => ({
      before: overSteps(steps, ({ before }) => before[layer]!),
      activations: mapTree(steps[0]!.layers[layer]!.activations, (_, name) =>
        overSteps(steps, ({ layers }) => layers[layer]!.activations[name as keyof LSTMActivations]),
      ),
      read: layer === 0 ? undefined : overSteps(steps, ({ read }) => read[layer - 1]!),
      factors: layer === 0 ? [] : steps.map(({ factors }) => factors[layer - 1]),
    })),
  };
  const outputs: PassOutputs = options.contexts ? [hidden, weights, context] : [hidden, weights];
  return { outputs, kept };
}

function stepForward(
  { query, score, contextGate, lstm }: PassInputs,
  { activation, layerDropout }: PassOptions,
  memory: AttentionMemory,
  state: LSTMState[],
  given: tf.Tensor2D,
  fromContext: tf.Tensor2D,
  t: number,
  block: Block,
): Step {
  const top = state.at(-1)!.hidden;
  const { context: raw, weights } = additiveAttention({ query, score }, top, memory, activation);
  const gated = contextGate && { raw, gate: tf.sigmoid(linear(contextGate, top)) };
  const context = gated ? tf.mul<tf.Tensor2D>(gated.gate, raw) : raw;
  const recurrent = tf.add(tf.matMul(context, fromContext), tf.matMul(state[0]!.hidden, lstm[0]!.hidden));
  const layers = [lstmForward(tf.add(given, recurrent), state[0]!.cell)];
  const factors = lstm.slice(1).map((_, i) => layerDropout(i + 1, t, block));
  const read: tf.Tensor2D[] = [];
  for (let layer = 1; layer < lstm.length; layer++) {
    const below = layers[layer - 1]!.next.hidden;
    const factor = factors[layer - 1];
    read.push(factor ? tf.mul(below, factor) : below);
    layers.push(lstmForward(lstmGates(lstm[layer]!, read[layer - 1]!, state[layer]!.hidden), state[layer]!.cell));
  }
  return { before: state.map(({ hidden }) => hidden), weights, context, gated, layers, read, factors };
}

type Kept = ReturnType<typeof forward>['kept'];

/** Gradients that a step gives: gates of every layer, the projected query, the raw context, and the context's gate. */
type StepGradients = { gates: tf.Tensor2D[]; asked: tf.Tensor2D; raw: tf.Tensor2D; gate: tf.Tensor2D | undefined };

/** @param above - gradients of what the pass returned */
function backward(
  kept: Kept,
  options: PassOptions,
  above: { hidden: tf.Tensor2D; weights: tf.Tensor2D; context: tf.Tensor2D | undefined },
): LazyGradients<PassInputs> {
  const { inputs, layers } = kept;
  const { contextGate, lstm, words } = inputs;
  const { steps, keys, scores, scoreWeight, initial } = tf.tidy(() => stepsBackward(kept, options, above));

  const gates = lstm.map((_, layer) => overSteps(steps, (step) => step.gates[layer]!)); // [places, 4 hiddenSize]
  const asked = overSteps(steps, (step) => step.asked);
  const gate = contextGate && overSteps(steps, (step) => step.gate!);
  const top = layers.at(-1)!.before;
  /** Of a linear map: what it read against the gradient of what it gave. */
  const linearGradients = (read: tf.Tensor2D, gave: tf.Tensor2D) => ({
    weight: () => tf.matMul(read, gave, true),
    bias: () => tf.sum(gave, 0),
  });
  return {
    query: linearGradients(top, asked),
    score: { weight: () => scoreWeight, bias: () => tf.reshape(tf.sum(scores), [1]) },
    contextGate: contextGate && linearGradients(top, gate!),
    lstm: layers.map(({ before, read }, layer) => ({
      input: () => tf.matMul(read ?? tf.concat([words, kept.context], 1), gates[layer]!, true),
      hidden: () => tf.matMul(before, gates[layer]!, true),
      inputBias: () => tf.sum(gates[layer]!, 0),
      hiddenBias: () => tf.sum(gates[layer]!, 0),
    })),
    words: () => tf.matMul(gates[0]!, inputParts(inputs).fromWord, false, true),
    initial: initial.map(({ hidden, cell }) => ({ hidden: () => hidden, cell: () => cell })),
    keys: () => keys,
    features: () => featureGradients(kept, options.packing, steps),
  };
}

/** Through all steps, from the last to the first. */
function stepsBackward(kept: Kept, { packing, activation }: PassOptions, above: Parameters<typeof backward>[2]) {
  const { inputs, layers, gated } = kept;
  const { query, contextGate, lstm } = inputs;
  const sizes = stepSizes(packing);
  const bySteps = (x: tf.Tensor2D) => tf.split(x, sizes, 0) as tf.Tensor2D[];
  const turned = {
    context: tf.transpose(inputParts(inputs).fromContext),
    hidden: lstm.map(({ hidden }) => tf.transpose(hidden)),
    input: lstm.map(({ input }, layer) => (layer === 0 ? undefined : tf.transpose(input))),
    query: tf.transpose(query.weight),
    gate: contextGate && tf.transpose(contextGate.weight),
  };
  const from = splitTree(above, sizes);
  const slopes = layers.map(({ activations }) => splitTree(lstmSlopes(activations), sizes));
  const asked = bySteps(linear(query, layers.at(-1)!.before));
  const weights = bySteps(kept.weights);
  const gates = gated && bySteps(gated.gate);
  const gateSlopes = gated && bySteps(tf.mul(gated.raw, tf.mul(gated.gate, tf.sub(1, gated.gate))));

  const stepBackward = (t: number, after: LSTMState[], memory: AttentionMemory) => {
    const hidden = after.map((state) => state.hidden);
    hidden.push(tf.add(hidden.pop()!, from[t]!.hidden));
    const before: LSTMState[] = [];
    const found: tf.Tensor2D[] = [];
    for (let layer = lstm.length - 1; layer >= 0; layer--) {
      const through = lstmBackward(slopes[layer]![t]!, { hidden: hidden[layer]!, cell: after[layer]!.cell });
      found[layer] = through.gates;
      before[layer] = { hidden: tf.matMul(through.gates, turned.hidden[layer]!), cell: through.cell };
      if (layer === 0) continue;
      const read = tf.matMul(through.gates, turned.input[layer]!);
      const factor = layers[layer]!.factors[t];
      hidden[layer - 1] = tf.add(hidden[layer - 1]!, factor ? tf.mul(read, factor) : read);
    }
    const onward: tf.Tensor2D = tf.matMul(found[0]!, turned.context);
    const context = from[t]!.context ? tf.add<tf.Tensor2D>(onward, from[t]!.context) : onward;
    const raw = gates ? tf.mul<tf.Tensor2D>(context, gates[t]!) : context;
    const gate = gateSlopes && tf.mul<tf.Tensor2D>(context, gateSlopes[t]!);
    const looked = { asked: asked[t]!, weights: weights[t]! };
    const through = additiveAttentionBackward(inputs, looked, memory, activation, raw, from[t]!.weights);
    const top = before.at(-1)!;
    top.hidden = tf.add(top.hidden, tf.matMul(through.asked, turned.query));
    if (gate) top.hidden = tf.add(top.hidden, tf.matMul(gate, turned.gate!));
    return { before, sums: through.sums, gradients: { gates: found, asked: through.asked, raw, gate } };
  };

  const steps: StepGradients[] = [];
  let state: LSTMState[] = lstm.map((_, layer) => {
    const shape = slopes[layer]!.at(-1)!.cellToBefore.shape;
    return { hidden: tf.zeros(shape), cell: tf.zeros(shape) };
  });
  let total: { keys: tf.Tensor3D; scores: tf.Tensor; scoreWeight: tf.Tensor2D } | undefined;
  for (const [index, block] of [...packing.blocks.entries()].reverse()) {
    const memory = memoryOf(inputs, block); // weights that are 0 behind a mask stay so
    let sums: AttentionSums | undefined;
    for (let t = block.end - 1; t >= block.begin; t--) {
      const step = tf.tidy(() => {
        const { sums: more, ...others } = stepBackward(t, state, memory);
        return { ...others, sums: sums ? addTrees(sums, more) : more };
      });
      if (sums) tf.dispose(sums);
      ({ sums, before: state } = step);
      steps[t] = step.gradients;
    }
    const found: NonNullable<typeof total> = {
      keys: putBack(keyGradients(inputs, sums!, activation), block.images, inputs.keys.shape[0]),
      scores: tf.sum(sums!.scores),
      scoreWeight: sums!.scoreWeight,
    };
    total = total ? addTrees(total, found) : found;
    const before = rowsBefore(packing, index);
    state = mapTree(state, (x) => putRows(x, block.rows, before));
  }
  return { ...total!, steps, initial: state };
}

/** Of the features, block by block: weights against the gradients of the raw contexts, over steps and rows of an image. */
function featureGradients({ inputs, weights }: Kept, packing: Packing, steps: readonly StepGradients[]): tf.Tensor3D {
  const [images, positions, featureSize] = inputs.features.shape;
  const byStep = tf.split(weights, stepSizes(packing), 0) as tf.Tensor2D[];
  const parts = packing.blocks.map(({ rows, slots, images: some, begin, end }) => {
    const shape = [rows.length / slots, slots, -1];
    const over = (tensors: tf.Tensor2D[]) =>
      tf.concat(
        tensors.map((x) => tf.reshape(x, shape)),
        1,
      );
    const raw = over(steps.slice(begin, end).map((step) => step.raw)); // [images, steps * slots, featureSize]
    return putBack(tf.matMul(over(byStep.slice(begin, end)), raw, true) as tf.Tensor3D, some, images);
  });
  return tf.reshape(tf.addN(parts), [images, positions, featureSize]);
}

/** The first layer's weights for what it reads: word [embeddingSize, 4 hiddenSize], context [featureSize, 4 hiddenSize]. */
function inputParts({ lstm, words, features }: PassInputs) {
  const [fromWord, fromContext] = tf.split(lstm[0]!.input, [words.shape[1], features.shape[2]], 0);
  return { fromWord, fromContext } as { fromWord: tf.Tensor2D; fromContext: tf.Tensor2D };
}

/** Rows that each step is computed for. */
const stepSizes = ({ blocks }: Packing): number[] =>
  blocks.flatMap(({ rows, begin, end }) => Array<number>(end - begin).fill(rows.length));

/** The captions, in order, that the state belongs to which a block takes over. */
const rowsBefore = ({ blocks, rows }: Packing, index: number): Int32Array =>
  blocks[index - 1]?.rows ?? Int32Array.from({ length: rows }, (_, row) => row);

/** What a block's rows look at. */
function memoryOf({ features, keys, keyPaddingMask }: AttentionMemory, { images }: Block): AttentionMemory {
  if (!images) return { features, keys, ...(keyPaddingMask && { keyPaddingMask }) };
  const some = tf.tensor1d(images, 'int32');
  return {
    features: tf.gather(features, some),
    keys: tf.gather(keys, some),
    ...(keyPaddingMask && { keyPaddingMask: tf.gather(keyPaddingMask, some) }),
  };
}

/** The way back of `memoryOf`: gradients of some images, with zeros for the others. */
function putBack(gradient: tf.Tensor3D, images: Int32Array | undefined, count: number): tf.Tensor3D {
  return images ? tf.unsortedSegmentSum(gradient, tf.tensor1d(images, 'int32'), count) : gradient;
}

/** Rows of x by their positions; x itself where those are all of its rows as they stand. */
function takeFrom<T extends tf.Tensor>(x: T, positions: Int32Array): T {
  const same = positions.length === x.shape[0] && positions.every((position, i) => position === i);
  return same ? x : tf.gather(x, tf.tensor1d(positions, 'int32'));
}

/** The way back of taking `rows` out of `before`: zeros for those of `before` that were not taken. */
function putRows(x: tf.Tensor, rows: Int32Array, before: Int32Array): tf.Tensor {
  const all = before.length === rows.length ? x : tf.concat([x, tf.zeros([1, x.shape[1]!])], 0);
  return takeFrom(all, positionsIn(rows, before));
}

/** Results of all steps, one under the other: [places, ...rest] */
const overSteps = <S, T extends tf.Tensor>(steps: readonly S[], pick: (step: S) => T): T =>
  tf.concat(steps.map(pick), 0);

/** A tree of results of all steps as one tree for each. */
function splitTree<T extends Tree>(tree: T, sizes: number[]): T[] {
  const parts = new Map([...leaves(tree)].map(([path, x]) => [path, tf.split(x, sizes, 0)]));
  return sizes.map((_, step) => mapTree(tree, (_, path) => parts.get(path)![step]!));
}

/** a + b, leaf by leaf. */
function addTrees<T extends Tree>(a: T, b: T): T {
  const others = leaves(b);
  return mapTree(a, (x, path) => tf.add(x, others.get(path)!));
}
