import * as tf from '@tensorflow/tfjs';
import { operation } from './operation';

/** `compute(x)` as a constant: its gradient with respect to x is zero, and none of its operations needs one. */
export function noGradient<X extends tf.Tensor, Y extends tf.Tensor>(x: X, compute: (x: X) => Y): Y {
  const [y] = operation<{ x: tf.Tensor }, [tf.Tensor], { x: tf.Tensor }>(
    { x },
    () => ({ outputs: [compute(x)], kept: { x } }),
    (_, kept) => ({ x: () => tf.zerosLike(kept.x) }),
  );
  return y as Y;
}
