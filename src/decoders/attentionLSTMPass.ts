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
 *
 * Where nothing else reads the contexts and there are few positions for so many words, all features go through the part of
 * `input` that reads contexts before the first step, in one large product: attention then weighs parts of gates, since a
 * weighed sum and a product may be exchanged, and no step multiplies contexts.
 */
export function attentionLSTMPass(inputs: PassInputs, options: PassOptions): PassOutputs {
  return operation<PassInputs, PassOutputs, Kept>(
    inputs,
    () => forward(inputs, options),
    ([hidden, weights, context], kept) => backward(kept, options, { hidden, weights, context }),
  );
}

/** Features go through the gates' weights beforehand where these are at most so many times as many as the contexts: a large product is quicker. */
const WORTH_BEFOREHAND = 3;

/** A step's results, [rows, ...] each. */
type Step = {
  /** Hidden state of every layer before the step. */
  before: tf.Tensor2D[];
  weights: tf.Tensor2D;
  /** Absent where features went through the gates' weights beforehand. */
  context: tf.Tensor2D | undefined;
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
  const gatesOfFeatures = goesBeforehand(inputs, options) ? timesFeatures(inputs.features, fromContext) : undefined;
  const steps: Step[] = [];
  let state = inputs.initial;
  for (const [index, block] of packing.blocks.entries()) {
    state = mapTree(state, (x) => takeFrom(x, positionsIn(rowsBefore(packing, index), block.rows)));
    const features = gatesOfFeatures ?? inputs.features;
    const memory = memoryOf({ ...inputs, features, ...(keyPaddingMask && { keyPaddingMask }) }, block);
    for (let t = block.begin; t < block.end; t++) {
      const step = tf.tidy(() =>
        stepForward(inputs, options, memory, state, {
          fromWord: given[t] as tf.Tensor2D,
          byContext: gatesOfFeatures ? undefined : fromContext,
          t,
          block,
        }),
      );
      steps.push(step);
      state = step.layers.map(({ next }) => next);
    }
  }
  const hidden = overSteps(steps, ({ layers }) => layers.at(-1)!.next.hidden);
  const weights = overSteps(steps, (step) => step.weights);
  const context = gatesOfFeatures ? undefined : overSteps(steps, (step) => step.context!);
  const kept = {
    inputs,
    gatesOfFeatures,
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
  const outputs: PassOutputs = options.contexts ? [hidden, weights, context!] : [hidden, weights];
  return { outputs, kept };
}

/** The gates' part that comes from the word, and the weights of what comes from contexts, absent where memory holds gates already. */
type StepPlace = { fromWord: tf.Tensor2D; byContext: tf.Tensor2D | undefined; t: number; block: Block };

function stepForward(
  { query, score, contextGate, lstm }: PassInputs,
  { activation, layerDropout }: PassOptions,
  memory: AttentionMemory,
  state: LSTMState[],
  { fromWord, byContext, t, block }: StepPlace,
): Step {
  const top = state.at(-1)!.hidden;
  const { context: raw, weights } = additiveAttention({ query, score }, top, memory, activation);
  const gated = contextGate && { raw, gate: tf.sigmoid(linear(contextGate, top)) };
  const context = gated ? tf.mul<tf.Tensor2D>(gated.gate, raw) : raw;
  const fromContext = byContext ? tf.matMul(context, byContext) : context;
  const recurrent = tf.add(fromContext, tf.matMul(state[0]!.hidden, lstm[0]!.hidden));
  const layers = [lstmForward(tf.add(fromWord, recurrent), state[0]!.cell)];
  const factors = lstm.slice(1).map((_, i) => layerDropout(i + 1, t, block));
  const read: tf.Tensor2D[] = [];
  for (let layer = 1; layer < lstm.length; layer++) {
    const below = layers[layer - 1]!.next.hidden;
    const factor = factors[layer - 1];
    read.push(factor ? tf.mul(below, factor) : below);
    layers.push(lstmForward(lstmGates(lstm[layer]!, read[layer - 1]!, state[layer]!.hidden), state[layer]!.cell));
  }
  const before = state.map(({ hidden }) => hidden);
  return { before, weights, context: byContext && context, gated, layers, read, factors };
}

type Kept = ReturnType<typeof forward>['kept'];

/**
 * Gradients that a step gives: gates of every layer, the projected query, the raw context unless features went through the
 * gates' weights beforehand, and the context's gate.
 */
type StepGradients = {
  gates: tf.Tensor2D[];
  asked: tf.Tensor2D;
  raw: tf.Tensor2D | undefined;
  gate: tf.Tensor2D | undefined;
};

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
      input: () => {
        const seen = () => kept.context ?? contextsOf(kept, options.packing);
        return tf.matMul(read ?? tf.concat([words, seen()], 1), gates[layer]!, true);
      },
      hidden: () => tf.matMul(before, gates[layer]!, true),
      inputBias: () => tf.sum(gates[layer]!, 0),
      hiddenBias: () => tf.sum(gates[layer]!, 0),
    })),
    words: () => tf.matMul(gates[0]!, inputParts(inputs).fromWord, false, true),
    initial: initial.map(({ hidden, cell }) => ({ hidden: () => hidden, cell: () => cell })),
    keys: () => keys,
    features: () => {
      const raw = kept.gatesOfFeatures
        ? tf.matMul<tf.Tensor2D>(gates[0]!, inputParts(inputs).fromContext, false, true)
        : overSteps(steps, (step) => step.raw!);
      return featureGradients(kept, options.packing, raw);
    },
  };
}

/** Through all steps, from the last to the first. */
function stepsBackward(kept: Kept, { packing, activation }: PassOptions, above: Parameters<typeof backward>[2]) {
  const { inputs, layers, gated, gatesOfFeatures } = kept;
  const { query, contextGate, lstm } = inputs;
  const sizes = stepSizes(packing);
  const bySteps = (x: tf.Tensor2D) => tf.split(x, sizes, 0) as tf.Tensor2D[];
  const turned = {
    context: gatesOfFeatures ? undefined : tf.transpose(inputParts(inputs).fromContext),
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
    const onward = turned.context ? tf.matMul<tf.Tensor2D>(found[0]!, turned.context) : found[0]!;
    const context = from[t]!.context ? tf.add<tf.Tensor2D>(onward, from[t]!.context) : onward;
    const raw = gates ? tf.mul<tf.Tensor2D>(context, gates[t]!) : context;
    const gate = gateSlopes && tf.mul<tf.Tensor2D>(context, gateSlopes[t]!);
    const looked = { asked: asked[t]!, weights: weights[t]! };
    const through = additiveAttentionBackward(inputs, looked, memory, activation, raw, from[t]!.weights);
    const top = before.at(-1)!;
    top.hidden = tf.add(top.hidden, tf.matMul(through.asked, turned.query));
    if (gate) top.hidden = tf.add(top.hidden, tf.matMul(gate, turned.gate!));
    const gradients = { gates: found, asked: through.asked, raw: gatesOfFeatures ? undefined : raw, gate };
    return { before, sums: through.sums, gradients };
  };

  const steps: StepGradients[] = [];
  let state: LSTMState[] = lstm.map((_, layer) => {
    const shape = slopes[layer]!.at(-1)!.cellToBefore.shape;
    return { hidden: tf.zeros(shape), cell: tf.zeros(shape) };
  });
  let total: { keys: tf.Tensor3D; scores: tf.Tensor; scoreWeight: tf.Tensor2D } | undefined;
  for (const [index, block] of [...packing.blocks.entries()].reverse()) {
    const features = gatesOfFeatures ?? inputs.features;
    const memory = memoryOf({ features, keys: inputs.keys }, block); // weights that are 0 behind a mask stay so
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
      scoreWeight: tf.reshape(tf.sum(sums!.byHidden, 0), inputs.score.weight.shape),
    };
    total = total ? addTrees(total, found) : found;
    const before = rowsBefore(packing, index);
    state = mapTree(state, (x) => putRows(x, block.rows, before));
  }
  return { ...total!, steps, initial: state };
}

/** Whether features go through the gates' weights before attention weighs them. */
function goesBeforehand({ contextGate, features }: PassInputs, { packing, contexts }: PassOptions): boolean {
  const [images, positions] = features.shape;
  return !contextGate && !contexts && images * positions <= WORTH_BEFOREHAND * packing.places.length;
}

/** features [images, positions, featureSize] times weight [featureSize, size] -> [images, positions, size] */
function timesFeatures(features: tf.Tensor3D, weight: tf.Tensor2D): tf.Tensor3D {
  const [images, positions, featureSize] = features.shape;
  const flat = tf.reshape(features, [images * positions, featureSize]);
  return tf.reshape(tf.matMul(flat, weight), [images, positions, weight.shape[1]]);
}

/** What was seen at every place, [places, featureSize]: weights against the features, over steps and rows of an image. */
function contextsOf({ inputs, weights }: Kept, packing: Packing): tf.Tensor2D {
  return tf.concat(
    blocksOf(weights, packing).flatMap(({ block, byImage, bySteps }) =>
      bySteps(tf.matMul(byImage, memoryOf(inputs, block).features)),
    ),
    0,
  );
}

/** Of the features, block by block: weights against the gradients of the raw contexts, over steps and rows of an image. */
function featureGradients({ inputs, weights }: Kept, packing: Packing, raw: tf.Tensor2D): tf.Tensor3D {
  const gradients = blocksOf(raw, packing);
  const parts = blocksOf(weights, packing).map(({ block, byImage }, i) =>
    putBack(tf.matMul(byImage, gradients[i]!.byImage, true), block.images, inputs.features.shape[0]),
  );
  return tf.reshape(tf.addN(parts), inputs.features.shape);
}

/** Rows of all places, [places, size], as [images, steps * slots, size] of every block, and the way back from there to those of steps. */
function blocksOf(x: tf.Tensor2D, packing: Packing) {
  const byStep = tf.split(x, stepSizes(packing), 0) as tf.Tensor2D[];
  return packing.blocks.map((block) => {
    const { rows, slots, begin, end } = block;
    const steps = byStep.slice(begin, end).map((step) => tf.reshape(step, [rows.length / slots, slots, -1]));
    return {
      block,
      byImage: tf.concat(steps, 1) as tf.Tensor3D,
      bySteps: (y: tf.Tensor3D) =>
        tf.split(y, end - begin, 1).map((step) => tf.reshape<tf.Rank.R2>(step, [rows.length, y.shape[2]])),
    };
  });
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
