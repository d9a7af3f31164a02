import * as tf from '@tensorflow/tfjs';

/** Parameters by tree path, such as `decoder.output.weight`. */
export type Parameters = ReadonlyMap<string, tf.Variable>;

/** Gradients by the same names; a parameter that the loss did not touch is absent. */
export type Gradients = Map<string, tf.Tensor>;

/**
 * The loss and its gradients by parameter name. Belongs to the caller: dispose `loss` and every gradient.
 *
 * `tf.variableGrads` names gradients by variables whose names depend on how many were made before; here they get
 * the tree paths that checkpoints and optimizers go by.
 */
export function gradients(loss: () => tf.Scalar, parameters: Parameters): { loss: tf.Scalar; grads: Gradients } {
  const { value, grads } = variableGrads(loss, [...parameters.values()]);
  const named: Gradients = new Map();
  for (const [name, variable] of parameters) {
    const gradient = grads[variable.name];
    if (gradient) named.set(name, gradient);
  }
  return { loss: value, grads: named };
}

/** `tf.variableGrads`, which by itself leaves behind all that it kept for the way back where a step of it throws. */
function variableGrads(loss: () => tf.Scalar, list: tf.Variable[]): ReturnType<typeof tf.variableGrads> {
  try {
    return tf.tidy(() => tf.variableGrads(() => releasing(loss()), list));
  } catch (error) {
    const { state } = tf.engine();
    if (state.gradientDepth === 0) {
      for (const { saved } of state.activeTape ?? []) tf.dispose(saved ?? []);
      state.activeTape = [];
    }
    throw error;
  }
}

/** A step of what tfjs wrote down on the way forward. */
type TapeNode = {
  saved?: tf.Tensor[];
  gradient?: (above: (tf.Tensor | null)[]) => Record<string, () => tf.Tensor>;
};

/**
 * Has every step of the way back free what the step after it no longer needs: what was kept for it, and the gradients that it
 * read. tfjs by itself holds all of that until the end, which doubles the memory of a training step.
 */
function releasing(loss: tf.Scalar): tf.Scalar {
  let done: tf.Tensor[] = [];
  for (const node of (tf.engine().state.activeTape ?? []) as TapeNode[]) {
    const { gradient, saved = [] } = node;
    if (!gradient) continue;
    node.gradient = (above) => {
      tf.dispose(done);
      done = [...above.filter((tensor) => tensor !== null), ...saved];
      const held = new Set(done);
      const asked = Object.entries(gradient(above)).map(([name, compute]) => {
        const own = () => {
          const found = compute();
          if (held.has(found)) return tf.clone(found); // handed on as it came, or given twice
          held.add(found);
          return found;
        };
        return [name, own] as const;
      });
      return Object.fromEntries(asked);
    };
  }
  return loss;
}

/**
 * Scales all gradients together so that their joint Euclidean norm is at most `maxNorm` (Pascanu et al. 2013,
 * algorithm 1). The given ones are disposed.
 *
 * @returns the clipped gradients and the norm before, a scalar that belongs to the caller
 */
export function clipByGlobalNorm(grads: Gradients, maxNorm: number): { grads: Gradients; norm: tf.Scalar } {
  const { norm, factor } = clipFactor(grads, maxNorm);
  const clipped = replaceEach(grads, (gradient) => tf.mul(gradient, factor));
  factor.dispose();
  return { grads: clipped, norm };
}

/**
 * What `clipByGlobalNorm` multiplies by, for an optimizer that does so itself. The gradients stay the caller's, to whom
 * both scalars belong.
 */
export function clipFactor(grads: Gradients, maxNorm: number): { norm: tf.Scalar; factor: tf.Scalar } {
  return tf.tidy(() => {
    // Row by row: some backends add one by one in float32, and a million squares at once lose the third digit.
    const squares = [...grads.values()].map((gradient) =>
      tf.tidy(() => tf.sum(gradient.rank > 1 ? tf.sum(tf.square(gradient), -1) : tf.square(gradient))),
    );
    const norm = tf.sqrt(tf.addN(squares)) as tf.Scalar;
    return { norm, factor: tf.minimum<tf.Scalar>(1, tf.div(maxNorm, tf.add(norm, 1e-6))) };
  });
}

/** Clips every single number of the gradients to [-limit, limit]. The given ones are disposed. */
export function clipByValue(grads: Gradients, limit: number): Gradients {
  return replaceEach(grads, (gradient) => tf.clipByValue(gradient, -limit, limit));
}

/** sum + grads, either of which may lack a parameter. Both are disposed. */
export function addGradients(sum: Gradients, grads: Gradients): Gradients {
  const added: Gradients = new Map(sum);
  for (const [name, gradient] of grads) {
    const before = sum.get(name);
    added.set(name, before ? tf.add(before, gradient) : gradient);
    if (before) tf.dispose([before, gradient]);
  }
  return added;
}

function replaceEach(grads: Gradients, change: (gradient: tf.Tensor) => tf.Tensor): Gradients {
  const changed: Gradients = new Map();
  for (const [name, gradient] of grads) {
    changed.set(name, change(gradient));
    gradient.dispose();
  }
  return changed;
}
