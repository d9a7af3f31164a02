import * as tf from '@tensorflow/tfjs';
import { DataError, UsageError } from '../core/errors';
import type { TfjsNetwork, TfjsTopology } from './tfjsModel';

type Node = { name: string; op: string; input?: string[]; attr?: Record<string, unknown> };

/** A GraphDef of TensorFlow, with functions and versions beside the nodes. */
type Graph = { node: Node[]; [part: string]: unknown };

/** Numbers that say how to compute, such as shapes: part of the topology, because they are no weights. */
type Constant = { name: string; dtype: 'int32' | 'bool'; shape: number[]; values: number[] };

type Weight = { name: string; shape: number[] };

/** A graph model: the nodes of `graph` lead to the one that is taken, `weights` are its float32 constants, `constants` the others. */
export class GraphNetwork implements TfjsNetwork {
  readonly params: Record<string, tf.Tensor> = {};
  private readonly model: tf.GraphModel<tf.io.IOHandlerSync>;
  private readonly input: string;

  constructor(private readonly topology: TfjsTopology) {
    const graph = topology.graph as Graph;
    const [constants, weights] = [topology.constants as Constant[], topology.weights as Weight[]];
    this.input = graph.node.find(({ op }) => op === 'Placeholder')!.name;
    this.model = load(graph, constants, weights);
    // The model reads its weights from this map: variables in it are what is assigned to.
    const own = this.model.weights;
    for (const { name, shape } of weights) {
      tf.dispose(own[name]!);
      const variable = tf.tidy(() => tf.variable(tf.zeros(shape), false));
      own[name] = [tf.keep(variable)];
      this.params[name] = variable;
    }
  }

  run(pixels: tf.Tensor4D): tf.Tensor {
    return this.model.execute({ [this.input]: pixels }, this.topology.output) as tf.Tensor;
  }

  dispose(): void {
    this.model.dispose();
  }
}

function load(graph: Graph, constants: Constant[], weights: Weight[]): tf.GraphModel<tf.io.IOHandlerSync> {
  const bytes: Uint8Array[] = [];
  const weightSpecs: tf.io.WeightsManifestEntry[] = [];
  for (const { name, dtype, shape, values } of constants) {
    weightSpecs.push({ name, dtype, shape });
    bytes.push(dtype === 'int32' ? new Uint8Array(Int32Array.from(values).buffer) : Uint8Array.from(values));
  }
  for (const { name, shape } of weights) {
    weightSpecs.push({ name, shape, dtype: 'float32' });
    bytes.push(new Uint8Array(4 * tf.util.sizeFromShape(shape)));
  }
  const weightData = new Uint8Array(bytes.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of bytes) {
    weightData.set(part, at);
    at += part.length;
  }
  try {
    return tf.loadGraphModelSync({ modelTopology: graph, weightSpecs, weightData: weightData.buffer });
  } catch (cause) {
    throw new DataError(`The encoder's graph cannot be built as it is described: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** The part of a graph model that leads to a node, its weights, which belong to the caller, and the size of the pictures. */
export function graphTopology(artifacts: tf.io.ModelArtifacts, layer: string | undefined) {
  const graph = artifacts.modelTopology as Graph;
  const all = graph.node;
  const output = layer ?? lastOf(all, artifacts);
  const byName = new Map(all.map((node) => [node.name, node]));
  if (!byName.has(output))
    throw new UsageError(
      `The model has no node '${output}'. Its nodes are ${all.flatMap(({ name, op }) => (op === 'Const' ? [] : [name])).join(', ')}.`,
    );
  const needed = new Set<string>();
  const waiting = [output];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    waiting.push(...(byName.get(name)?.input ?? []).map((input) => input.replace(/^\^/, '').replace(/:\d+$/, '')));
  }
  const nodes = all.filter(({ name }) => needed.has(name));
  const inputs = nodes.filter(({ op }) => op === 'Placeholder');
  if (inputs.length !== 1)
    throw new DataError(
      `'${output}' depends on ${inputs.length} inputs (${inputs.map(({ name }) => name).join(', ')}), but an encoder reads pictures alone.`,
    );
  const stored = tf.io.decodeWeights(artifacts.weightData as ArrayBuffer, artifacts.weightSpecs ?? []);
  const weights = new Map<string, tf.Tensor>();
  const constants: Constant[] = [];
  for (const [name, tensor] of Object.entries(stored)) {
    if (needed.has(name) && tensor.dtype === 'float32') {
      weights.set(name, tensor);
      continue;
    }
    if (needed.has(name)) {
      const dtype = tensor.dtype === 'bool' ? 'bool' : 'int32';
      constants.push({ name, dtype, shape: tensor.shape, values: Array.from(tensor.dataSync()) });
    }
    tensor.dispose();
  }
  const shapes = [...weights].map(([name, { shape }]) => ({ name, shape }));
  const topology: TfjsTopology = {
    format: 'graph',
    output,
    graph: { ...graph, node: nodes },
    constants,
    weights: shapes,
  };
  return { topology, weights, inputSize: sizeOf(inputs[0]!) };
}

/** The output that the model names, or the node that no other reads. */
function lastOf(nodes: readonly Node[], { signature }: tf.io.ModelArtifacts): string {
  const { outputs = {} } = (signature ?? {}) as { outputs?: Record<string, { name: string }> };
  const [named] = Object.values(outputs);
  if (named) return named.name.replace(/:\d+$/, '');
  const read = new Set(nodes.flatMap(({ input = [] }) => input));
  return nodes.find(({ name, op }) => op !== 'Const' && !read.has(name))!.name;
}

/** Height and width of a placeholder that says them. */
function sizeOf({ attr }: Node): readonly [number, number] | undefined {
  const shape = attr?.shape as { shape?: { dim?: { size?: string | number }[] } } | undefined;
  const [, height = 0, width = 0] = (shape?.shape?.dim ?? []).map(({ size }) => Number(size ?? -1));
  return height > 0 && width > 0 ? [height, width] : undefined;
}
