import * as tf from '@tensorflow/tfjs';
import type { OnnxBackend } from './backend';
import type { LoadOptions, Onnxruntime, Operand, Session } from './binding';
import type { ElementType, Graph } from './model';

/** An input of a graph: a tensor, perhaps seen in another shape, an array, whole numbers (shapes, axes), or a number. */
export type Feed =
  | tf.TensorInfo
  | { tensor: tf.TensorInfo; as: readonly number[] }
  | Filled
  | { whole: readonly number[] }
  | { number: number };

/** An output: its shape in tfjs, and the one that the graph gives it where that is another. */
export type Result = { shape: readonly number[]; as?: readonly number[]; dtype?: 'float32' | 'int32' | 'bool' };

type Values = Float32Array | Int32Array | Uint8Array;

/** An array that a graph fills, and the shape that the graph gives it. */
type Filled = { numbers: Values; as: readonly number[] };

/** A graph by a name that tells it from all others; it is built when it is run for the first time. */
export type NamedGraph = { name: string; build: () => Graph };

/** Fewer numbers than this are sooner copied than kept from being copied. */
const LARGE = 8 * 1024;

/** Fewer numbers than this are computed by one thread: to wake another takes longer. */
const WORTH_THREADS = 32 * 1024;

const DATA_TYPES = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** Runs graphs on tensors of the backend. */
export class Engine {
  /** By the graph's name, and by how it was loaded. */
  private readonly sessions = new Map<string, Map<string, Session | Error>>();

  constructor(
    readonly backend: OnnxBackend,
    private readonly onnxruntime: Onnxruntime,
    readonly threads: number,
  ) {}

  /** Whether the tensor is an array of its type and has numbers at all. */
  holds({ dataId, dtype, shape }: tf.TensorInfo): boolean {
    const type = DATA_TYPES[dtype as keyof typeof DATA_TYPES];
    return type !== undefined && this.backend.data.get(dataId).values instanceof type && !shape.includes(0);
  }

  values(tensor: tf.TensorInfo): Float32Array {
    return this.backend.data.get(tensor.dataId).values as Float32Array;
  }

  /** @returns nothing where this onnxruntime cannot load the graph */
  run<Name extends string>(
    graph: NamedGraph,
    feeds: Record<string, Feed>,
    results: Record<Name, Result>,
  ): Record<Name, tf.TensorInfo> | undefined {
    const arrays = Object.entries<Result>(results).map(([name, result]) => ({
      name,
      result,
      array: this.take(result),
    }));
    try {
      const outputs = arrays.map(
        ({ name, result, array }) => [name, { numbers: array, as: result.as ?? result.shape }] as const,
      );
      if (!this.fill(graph, feeds, Object.fromEntries(outputs))) return undefined;
      const made = arrays.map(({ name, result, array }) => [name, this.wrap(array, result)] as const);
      return Object.fromEntries(made) as Record<Name, tf.TensorInfo>;
    } finally {
      for (const { array } of arrays) this.leave(array);
    }
  }

  /**
   * The same into arrays that are there.
   *
   * @returns false where this onnxruntime cannot load the graph
   */
  fill(graph: NamedGraph, feeds: Record<string, Feed>, results: Record<string, Filled>): boolean {
    const outputs = Object.entries(results);
    const largest = Math.max(...outputs.map(([, { numbers }]) => numbers.length), ...Object.values(feeds).map(sizeOf));
    const session = this.session(graph, {
      threads: largest < WORTH_THREADS ? 1 : this.threads,
      large: outputs.some(([, { numbers }]) => numbers.length >= LARGE),
    });
    if (session instanceof Error) return false;
    session.run(
      Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, this.operand(feed)])),
      Object.fromEntries(
        outputs.map(([name, { numbers, as }]) => [name, this.onnxruntime.operand(typeOf(numbers), numbers, as)]),
      ),
    );
    return true;
  }

  /** Lets go of a graph that will not be run again. */
  drop(name: string): void {
    this.sessions.delete(name);
  }

  /** An array of any content for `wrap`, or for `leave` if it comes to nothing. */
  take({ shape, dtype = 'float32' }: Result): Values {
    const length = tf.util.sizeFromShape(shape as number[]);
    const block = this.backend.blocks.take(dtype === 'bool' ? Math.ceil(length / 4) : length);
    this.backend.blocks.addUser(block.buffer); // this function's caller, until `leave`
    return dtype === 'float32' ? block : new DATA_TYPES[dtype](block.buffer, 0, length);
  }

  wrap(array: Values, { shape, dtype = 'float32' }: Result): tf.TensorInfo {
    return this.backend.makeTensorInfo(shape as number[], dtype, array);
  }

  /** The same numbers in another shape. */
  alias({ dataId, dtype }: tf.TensorInfo, shape: number[]): tf.TensorInfo {
    this.backend.incRef(dataId);
    return { dataId, shape, dtype };
  }

  /** To be called once for each `take`, when the array was wrapped or is not needed. */
  leave(array: Values): void {
    this.backend.blocks.removeUser(array.buffer);
  }

  private operand(feed: Feed): Operand {
    const { operand } = this.onnxruntime;
    if ('whole' in feed) return operand('int64', BigInt64Array.from(feed.whole, BigInt), [feed.whole.length]);
    if ('number' in feed) return operand('float32', Float32Array.of(feed.number), []);
    if ('numbers' in feed) return operand(typeOf(feed.numbers), feed.numbers, feed.as);
    const tensor = 'tensor' in feed ? feed.tensor : feed;
    return operand(tensor.dtype as ElementType, this.values(tensor), 'as' in feed ? feed.as : tensor.shape);
  }

  private session({ name, build }: NamedGraph, options: LoadOptions): Session | Error {
    const variants = this.sessions.get(name) ?? new Map<string, Session | Error>();
    this.sessions.set(name, variants);
    const variant = `${options.threads} ${options.large}`;
    let session = variants.get(variant);
    if (!session) {
      try {
        session = this.onnxruntime.load(build(), options);
      } catch (error) {
        session = error as Error;
      }
      variants.set(variant, session);
    }
    return session;
  }
}

function sizeOf(feed: Feed): number {
  if ('whole' in feed || 'number' in feed) return 0;
  if ('numbers' in feed) return feed.numbers.length;
  return tf.util.sizeFromShape('tensor' in feed ? feed.tensor.shape : feed.shape);
}

function typeOf(array: Values): ElementType {
  if (array instanceof Float32Array) return 'float32';
  return array instanceof Int32Array ? 'int32' : 'bool';
}
