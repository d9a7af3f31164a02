import * as tf from '@tensorflow/tfjs';
import { Blocks } from './blocks';
import type { Deferrals, Deferred } from './deferred';

type Values = tf.backend_util.BackendValues;

export type TensorData = { values: Values; dtype: tf.DataType; refCount: number; deferred?: Deferred | undefined };

/** What is used of the class of tfjs' cpu backend, which its package exports under no public name. */
export interface CpuBackend extends tf.KernelBackend {
  data: tf.DataStorage<TensorData>;
  firstUse: boolean;
  write(values: Values, shape: number[], dtype: tf.DataType): tf.DataId;
  makeTensorInfo(shape: readonly number[], dtype: tf.DataType, values: Values): tf.TensorInfo;
}

export type OnnxBackend = CpuBackend & {
  blocks: Blocks;
  /** Runs a kernel of the cpu backend, to which arrays are handed out as they are. */
  asCpu<T>(kernel: () => T): T;
  /** Computes what is deferred. */
  deferrals?: Deferrals;
  /** A tensor that is computed when its numbers are asked for. */
  defer(deferred: Deferred): tf.TensorInfo;
  /** What the tensor stands for, if it has not been computed. */
  deferred(dataId: tf.DataId): Deferred | undefined;
};

const EMPTY = new Float32Array(0);

/**
 * tfjs' cpu backend, which keeps tensors as plain arrays, with memory that is used again.
 *
 * Kernels of the cpu backend may return an array of their input, or a part of it: every tensor over a block is counted,
 * by the array's buffer. What is read from outside is a copy, so that nobody else ever holds a block.
 */
export function makeBackend(): OnnxBackend {
  const factory = tf.findBackendFactory('cpu');
  if (!factory) throw new Error("tfjs' cpu backend, on which it rests, is not registered.");
  const Cpu = (factory() as CpuBackend).constructor as new () => CpuBackend;

  class Backend extends Cpu {
    readonly blocks = new Blocks();
    deferrals?: Deferrals;
    private kernels = 0;

    override write(values: Values, shape: number[], dtype: tf.DataType): tf.DataId {
      this.firstUse = false; // or it would advise to install a faster backend
      this.counted(values);
      return super.write(values, shape, dtype);
    }

    override move(dataId: tf.DataId, values: Values, shape: number[], dtype: tf.DataType, refCount: number): void {
      this.counted(values);
      super.move(dataId, values, shape, dtype, refCount);
    }

    override disposeData(dataId: tf.DataId, force?: boolean): boolean {
      const data = this.data.has(dataId) ? this.data.get(dataId) : undefined;
      const values = data?.deferred ? undefined : data?.values;
      const gone = super.disposeData(dataId, force);
      if (!gone) return false;
      data?.deferred?.release();
      if (ArrayBuffer.isView(values)) this.blocks.removeUser(values.buffer);
      this.deferrals?.forget(dataId);
      return true;
    }

    override readSync(dataId: tf.DataId): Values {
      const values = super.readSync(dataId);
      const shared = this.kernels === 0 && ArrayBuffer.isView(values) && this.blocks.owns(values.buffer);
      return shared ? (values as Float32Array).slice() : values;
    }

    defer(deferred: Deferred): tf.TensorInfo {
      const info = this.makeTensorInfo(deferred.shape, 'float32', EMPTY);
      const data = this.data.get(info.dataId);
      data.deferred = deferred;
      Object.defineProperty(data, 'values', {
        configurable: true,
        get: () => {
          const values = this.deferrals!.compute(deferred);
          Object.defineProperty(data, 'values', { value: values, writable: true });
          data.deferred = undefined;
          deferred.release();
          return values;
        },
      });
      return info;
    }

    deferred(dataId: tf.DataId): Deferred | undefined {
      return this.data.get(dataId).deferred;
    }

    asCpu<T>(kernel: () => T): T {
      this.kernels++;
      try {
        return kernel();
      } finally {
        this.kernels--;
      }
    }

    private counted(values: Values): void {
      if (ArrayBuffer.isView(values)) this.blocks.addUser(values.buffer);
    }
  }
  return new Backend() as unknown as OnnxBackend;
}
