/** What computes: native TensorFlow on GPU or CPU (Node), native onnxruntime (Node), the GPU of a browser (two ways), WebAssembly, or plain JavaScript. */
export type BackendName = 'tfjs-node-gpu' | 'tfjs-node' | 'onnxruntime' | 'webgpu' | 'webgl' | 'wasm' | 'cpu';

export type SelectBackendOptions = {
  /** Take this one, or the first of these that works, and fail if none does. Default: the fastest that works. */
  prefer?: BackendName | readonly BackendName[];
  /**
   * Where the .wasm files of '@tensorflow/tfjs-backend-wasm' are: a folder's URL with its slash at the end, or the URL
   * of each file by name. In Node they are found by themselves.
   */
  wasmPaths?: string | Record<string, string>;
  /** Most threads for onnxruntime and wasm. Default: one per processor. */
  threads?: number;
};

/** The backend that was taken, as the command line and the benchmarks print it. */
export type BackendDescription = {
  name: BackendName;
  /** Threads that compute, where the backend says how many. */
  threads?: number;
  /** Versions of the parts, such as `{ 'tfjs-core': '4.22.0', libtensorflow: '2.18.1' }`. */
  versions: Record<string, string>;
  /** Those that were tried before it, and why each was not taken. */
  tried: { name: BackendName; why: string }[];
};

/** A backend that may work here. */
export type Candidate = {
  name: BackendName;
  /**
   * Makes it the current backend of tfjs.
   *
   * @throws Error that says why it cannot be had here and what would help
   */
  start(options: SelectBackendOptions): Promise<Pick<BackendDescription, 'threads' | 'versions'>>;
};
