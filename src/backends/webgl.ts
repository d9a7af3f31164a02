import * as tf from '@tensorflow/tfjs';
import { setBackend } from './chooseBackend';
import type { Candidate } from './types';

/** The GPU of a browser, where it computes in 32 bits and is a real one (one drawn in software is slower than wasm). */
export const webgl: Candidate = {
  name: 'webgl',
  start: async ({ prefer }) => {
    await setBackend('webgl');
    if (!tf.env().getBool('WEBGL_RENDER_FLOAT32_ENABLED'))
      throw new Error('the GPU computes in 16 bits here, too coarse for training and for scores.');
    const { gl } = (tf.backend() as unknown as { gpgpu: { gl: WebGL2RenderingContext } }).gpgpu;
    const details = gl.getExtension('WEBGL_debug_renderer_info');
    const renderer: string = gl.getParameter(details ? details.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
    if (prefer === undefined && /swiftshader|llvmpipe|software/i.test(renderer))
      throw new Error(`it is drawn in software here (${renderer}), slower than wasm.`);
    return { versions: { webgl: gl.getParameter(gl.VERSION), renderer } };
  },
};
