import { createRequire } from 'node:module';
import { type ElementType, type Graph, onnxModel } from './model';

/** What onnxruntime computes on; `data` is neither copied in nor out. */
export type Operand = { readonly type: ElementType };

/** A loaded graph. `run` returns when the outputs, given by the caller, are filled. */
export type Session = { run(inputs: Record<string, Operand>, outputs: Record<string, Operand>): void };

export type LoadOptions = {
  /** Most threads that compute. */
  threads: number;
  /** Outputs have many numbers: see `sparingCopies`. */
  large: boolean;
};

export type Onnxruntime = {
  version: string;
  load(graph: Graph, options: LoadOptions): Session;
  operand(type: ElementType, data: ArrayBufferView, shape: readonly number[]): Operand;
};

/** What is used of onnxruntime-node's own module `dist/binding.js` (1.22 to 1.30). It is no public interface. */
type InternalModule = {
  initOrt(): void;
  binding: { InferenceSession: new () => InternalSession };
};

type InternalSession = {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
  run(feeds: object, fetches: object, options: object): object;
};

/**
 * All that reaches into the package onnxruntime-node. Its public interface answers later, through a promise, and a
 * kernel of tfjs has to answer at once; the binding below it does.
 *
 * @param from - the module from which the package is looked for, as a file's URL or path
 * @throws Error that says why it cannot be used
 */
export function openOnnxruntime(from: string = import.meta.url): Onnxruntime {
  const require = createRequire(from);
  const { version } = found(() => require('onnxruntime-node/package.json') as { version: string });
  try {
    const internal: InternalModule = require('onnxruntime-node/dist/binding.js');
    internal.initOrt();
    const { InferenceSession } = internal.binding;
    const path = require.resolve('onnxruntime-node/dist/binding.js');
    const { Tensor } = createRequire(path)('onnxruntime-common') as {
      Tensor: new (type: string, data: ArrayBufferView, shape: readonly number[]) => Operand;
    };
    const opened: Onnxruntime = {
      version,
      load(graph, { threads, large }) {
        const session = new InferenceSession();
        const model = onnxModel(graph, large ? UNREADABLE : undefined);
        session.loadModel(model.buffer, model.byteOffset, model.byteLength, {
          intraOpNumThreads: threads,
          interOpNumThreads: 1,
          executionMode: 'sequential',
          // Every graph has threads and memory of its own: none may be busy or grow while another one computes.
          enableCpuMemArena: false,
          enableMemPattern: false,
          extra: { session: { force_spinning_stop: '1' } },
        });
        return { run: large ? sparingCopies(session) : (inputs, outputs) => void session.run(inputs, outputs, {}) };
      },
      operand: (type, data, shape) => new Tensor(type, data, shape),
    };
    tryOut(opened);
    return opened;
  } catch (error) {
    const why = error instanceof Error ? error.message.trim().split('\n')[0] : String(error);
    throw new Error(
      `onnxruntime-node ${version} is installed, but its binding is not as this program knows it (${why}). ` +
        'Versions 1.22 to 1.30 are known to work.',
    );
  }
}

const UNREADABLE = 'unreadable';

/**
 * The binding fills the outputs that it is given, and then copies each of them into a fresh array that it returns, which
 * nobody wants here: for large ones that takes several times as long as to compute them, and leaves as much garbage. The
 * copying ends with an error at the first output that JavaScript has no type for, so such a one stands before the others.
 * A binding that can read that one too would copy again, and be slower, not wrong.
 */
function sparingCopies(session: InternalSession): Session['run'] {
  return (inputs, outputs) => {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0; // to write down where this error came from would be most of its cost
    try {
      session.run(inputs, { [UNREADABLE]: null, ...outputs }, {});
    } catch (error) {
      if (!(error instanceof Error && /^Tensor type \(\d+\) is not supported/.test(error.message))) throw error;
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  };
}

/** A binding that has changed may fail only when it is used; kernels that cannot be loaded are not an error later. */
function tryOut({ load, operand }: Onnxruntime): void {
  const graph: Graph = {
    nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['y'] }],
    inputs: { a: 'float32', b: 'float32' },
    outputs: { y: 'float32' },
  };
  const numbers = (...values: number[]) => operand('float32', Float32Array.from(values), [values.length]);
  for (const large of [false, true]) {
    const sum = new Float32Array(2);
    load(graph, { threads: 1, large }).run({ a: numbers(1, 2), b: numbers(3, 5) }, { y: operand('float32', sum, [2]) });
    if (sum[0] !== 4 || sum[1] !== 7) throw new Error(`it says that [1, 2] + [3, 5] is [${sum}]`);
  }
}

function found<T>(load: () => T): T {
  try {
    return load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND')
      throw new Error('it is not installed (npm install onnxruntime-node).');
    throw error;
  }
}
