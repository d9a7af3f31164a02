import type * as tf from '@tensorflow/tfjs';
import type { Engine } from '../engine';

export type Call<Inputs = Record<string, tf.TensorInfo>, Attributes = Record<string, unknown>> = {
  engine: Engine;
  inputs: Inputs;
  attrs: Attributes;
};

/** A kernel on onnxruntime, or nothing for what it leaves to the cpu backend. */
// biome-ignore lint/suspicious/noExplicitAny: every kernel has inputs and attributes of its own.
export type Kernel = (call: Call<any, any>) => tf.TensorInfo | tf.TensorInfo[] | undefined;
