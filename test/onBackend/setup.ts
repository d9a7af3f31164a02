import * as tf from '@tensorflow/tfjs';
import type { BackendName } from '../../src/backends/types';
import { selectBackend } from '../../src/node/backends';

// Every test file runs in a process of its own, and this before it. The files ask for cpu, which is the same
// everywhere; here they keep the backend under test. Those that ask for wasm get it.
const backend = process.env.TEST_BACKEND as BackendName;
await selectBackend({ prefer: backend, threads: backend === 'wasm' ? 1 : 2 });
const engine = tf.engine();
const setBackend = engine.setBackend.bind(engine);
engine.setBackend = async (name) => name === 'cpu' || setBackend(name);
