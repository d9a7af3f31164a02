import type * as tf from '@tensorflow/tfjs';
import type { OnnxBackend } from './backend';
import type { Engine, NamedGraph } from './engine';
import {
  type Attribute,
  CHANNELS_FIRST,
  CHANNELS_LAST,
  type Constant,
  type Graph,
  type Node,
  transposed,
} from './model';

/** What a deferred operation reads: another one, or a tensor's numbers, [batch, height, width, channels]. */
type Source = Deferred | { values: Float32Array; shape: readonly number[] };

/** A constant, of a tensor or of few numbers; `make` lays it out as ONNX wants it. */
type Weight = { dataId?: tf.DataId; values: Float32Array; make: () => Constant };

type Operation = { op: string; attributes?: Record<string, Attribute>; sources: Source[]; weights: Weight[] };

/**
 * A tensor that has not been computed. It holds what it is computed from: the blocks of tensors, and other deferred ones,
 * for as long as a tensor stands for it or another deferred one reads it.
 */
export class Deferred {
  private users = 1;

  constructor(
    readonly backend: OnnxBackend,
    readonly shape: readonly number[],
    readonly operation: Operation,
  ) {
    for (const source of operation.sources) source instanceof Deferred ? source.users++ : this.hold(source);
    for (const weight of operation.weights) this.hold(weight);
  }

  release(): void {
    this.users--;
    if (this.users > 0) return;
    for (const source of this.operation.sources)
      source instanceof Deferred ? source.release() : this.backend.blocks.removeUser(source.values.buffer);
    for (const { values } of this.operation.weights) this.backend.blocks.removeUser(values.buffer);
  }

  private hold({ values }: { values: Float32Array }): void {
    this.backend.blocks.addUser(values.buffer);
  }
}

/**
 * Computes what is deferred, as one graph with its weights in it. Such a graph is kept for as long as its weights are: a
 * tensor's numbers never change, and what an optimizer assigns to a variable is another tensor.
 */
export class Deferrals {
  private readonly names = new WeakMap<object, number>();
  private named = 0;
  /** Of weights that are in graphs, which. */
  private readonly graphs = new Map<object, Set<string>>();

  constructor(readonly engine: Engine) {}

  compute(last: Deferred): Float32Array {
    const { names, inputs, steps, weights } = listed(last);
    const ids = weights.flatMap(({ dataId }) => dataId ?? []);
    for (const dataId of ids) if (!this.names.has(dataId)) this.names.set(dataId, this.named++);
    const nameOf = (source: Source) => names.get(source)!;
    const described = steps.map(({ operation: { op, attributes, sources, weights } }) => [
      op,
      attributes,
      sources.map(nameOf),
      weights.map(({ dataId, values }) => (dataId ? this.names.get(dataId) : [...values])),
    ]);
    const sizes = inputs.map(({ shape }) => shape.slice(1));
    const graph: NamedGraph = {
      name: `deferred ${JSON.stringify([sizes, described])}`,
      build: () => graphOf(steps, inputs, nameOf),
    };
    for (const dataId of ids) {
      const known = this.graphs.get(dataId) ?? new Set();
      this.graphs.set(dataId, known.add(graph.name));
    }
    const numbers = this.engine.take({ shape: last.shape }) as Float32Array;
    try {
      const feeds = Object.fromEntries(
        inputs.map((input) => [nameOf(input), { numbers: input.values, as: input.shape }]),
      );
      if (!this.engine.fill(graph, feeds, { y: { numbers, as: last.shape } }))
        throw new Error('onnxruntime does not take a graph of convolutions.');
      return numbers;
    } catch (error) {
      this.engine.leave(numbers);
      throw error;
    } finally {
      for (const dataId of ids) if (!this.engine.backend.data.has(dataId)) this.forget(dataId);
    }
  }

  /** Graphs with this weight in them will not be asked for again. */
  forget(dataId: tf.DataId): void {
    for (const name of this.graphs.get(dataId) ?? []) this.engine.drop(name);
    this.graphs.delete(dataId);
  }
}

type Input = Exclude<Source, Deferred>;

/** All that the last one needs, in the order in which it can be computed, and their names in the graph. */
function listed(last: Deferred) {
  const names = new Map<Source, string>();
  const inputs: Input[] = [];
  const steps: Deferred[] = [];
  const byValues = new Map<Float32Array, string>();
  const visit = (source: Source): void => {
    if (names.has(source)) return;
    if (source instanceof Deferred) {
      source.operation.sources.forEach(visit);
      names.set(source, `t${steps.push(source)}`);
    } else {
      const known = byValues.get(source.values);
      names.set(source, known ?? `x${inputs.length}`);
      if (known) return;
      inputs.push(source);
      byValues.set(source.values, `x${inputs.length - 1}`);
    }
  };
  visit(last);
  return { names, inputs, steps, weights: steps.flatMap(({ operation }) => operation.weights) };
}

/**
 * Channels come first inside of the graph, and last outside of it. All sizes but the batch's are said, or onnxruntime would turn
 * maps back and forth around every addition of two, not knowing that they have one shape.
 */
function graphOf(steps: readonly Deferred[], inputs: readonly Input[], nameOf: (source: Source) => string): Graph {
  const inside = (source: Source) => (source instanceof Deferred ? nameOf(source) : `${nameOf(source)} first`);
  const constants: Record<string, Constant> = {};
  const nodes = steps.map((step): Node => {
    const { op, attributes = {}, sources, weights } = step.operation;
    const names = weights.map(({ make }, i) => {
      const name = `${nameOf(step)} weight ${i}`;
      constants[name] = make();
      return name;
    });
    return { op, inputs: [...sources.map(inside), ...names], outputs: [nameOf(step)], attributes };
  });
  return {
    nodes: [
      ...inputs.map((input) => transposed(nameOf(input), inside(input), CHANNELS_FIRST)),
      ...nodes,
      transposed(nameOf(steps.at(-1)!), 'y', CHANNELS_LAST),
    ],
    inputs: Object.fromEntries(inputs.map((input) => [nameOf(input), 'float32'])),
    sizes: Object.fromEntries(inputs.map((input) => [nameOf(input), ['batch', ...input.shape.slice(1)]])),
    outputs: { y: 'float32' },
    constants,
  };
}
