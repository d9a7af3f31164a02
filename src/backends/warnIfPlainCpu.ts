import * as tf from '@tensorflow/tfjs';

let cpuWasAskedFor = false;
let warned = false;

/** Remembers that the caller asked for the plain JavaScript engine, so that nothing warns about it. */
export function askedForCpu(): void {
  cpuWasAskedFor = true;
}

/** Says once, on standard error, that the model runs on the plain JavaScript engine that nobody asked for. */
export function warnIfPlainCpu(): void {
  if (warned || cpuWasAskedFor || tf.getBackend() !== 'cpu') return;
  warned = true;
  console.warn(
    "This model runs on TensorFlow.js' plain JavaScript engine, tens of times slower than the others. Call " +
      "`await selectBackend()` first to take the fastest engine that works here, or `selectBackend({ prefer: 'cpu' })` to keep this one.",
  );
}
