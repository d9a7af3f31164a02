import * as tf from '@tensorflow/tfjs';
import { selectBackend } from '../../src/node/backends';

// Every test file runs in a process of its own, and this before it. The files ask for cpu, which is the same
// everywhere; here they keep wasm.
await selectBackend({ prefer: 'wasm', threads: 1 });
tf.engine().setBackend = async () => true;
