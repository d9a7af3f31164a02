import * as tf from '@tensorflow/tfjs';
import { DataError } from './errors';
import type { Random } from './random';

/**
 * How a published checkpoint keeps a parameter, against how it lies here. `linear`: [out, in] there, [in, out] here.
 * `conv`: [out, in, height, width] there, [height, width, in, out] here. `depthwise`: [channels, 1, height, width] there,
 * [height, width, channels, 1] here.
 */
export type Layout = 'same' | 'linear' | 'conv' | 'depthwise';

/** One parameter, declared once: its name in published checkpoints, its shape here, and what it is before training. */
export type ParameterSpec<T extends tf.Tensor = tf.Tensor> = {
  /** The key in PyTorch's `state_dict`. */
  readonly key: string;
  /** Names that older files have for it. */
  readonly aliases?: readonly string[];
  /** Names under which it is saved as well, because some readers look for it there; they should be among the aliases. */
  readonly copies?: readonly string[];
  readonly shape: T['shape'];
  readonly layout: Layout;
  readonly init: (shape: number[], random: Random) => tf.Tensor;
  /** False for what training does not change by gradients, such as the running mean of a batch norm. */
  readonly trainable?: boolean;
  /** What it is where a file does not have it; without this a missing parameter is an error. */
  readonly absent?: 'init';
};

/** The parameters of a model as it declares them; `ParamsOf` is the tree of tensors of the same form. */
export type SpecTree = ParameterSpec | undefined | readonly SpecTree[] | { readonly [name: string]: SpecTree };

export type ParamsOf<S> =
  S extends ParameterSpec<infer T>
    ? T
    : S extends undefined
      ? undefined
      : S extends readonly (infer Item)[]
        ? ParamsOf<Item>[]
        : { -readonly [Name in keyof S]: ParamsOf<S[Name]> };

/** Weights as a file has them: what there is, and the float32 values of one, row by row in the file's layout. */
export type WeightSource = {
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>;
  read(name: string): Promise<Float32Array>;
  /** Where they come from, for messages. */
  readonly where: string;
};

export type LoadOptions = {
  /** The key that a name of the file stands for, such as without a prefix; undefined for what is passed over silently. */
  rename?: (name: string) => string | undefined;
};

const isSpec = (node: SpecTree): node is ParameterSpec =>
  typeof (node as ParameterSpec | undefined)?.key === 'string' && Array.isArray((node as ParameterSpec).shape);

/** Axes of the layout here, by their place in the file. */
const FROM_FILE: Record<Layout, number[] | undefined> = {
  same: undefined,
  linear: [1, 0],
  conv: [2, 3, 1, 0],
  depthwise: [2, 3, 0, 1],
};
const TO_FILE: Record<Layout, number[] | undefined> = {
  same: undefined,
  linear: [1, 0],
  conv: [3, 2, 0, 1],
  depthwise: [2, 3, 0, 1],
};

/** The declared parameters by their path in the tree, such as `layers.0.attention.query.weight`. */
export function specLeaves(spec: SpecTree): Map<string, ParameterSpec> {
  const found = new Map<string, ParameterSpec>();
  build(spec, (leaf, path) => {
    found.set(path, leaf);
    return undefined;
  });
  return found;
}

/** New variables; the same seed gives the same values, whatever else the tree holds. They belong to the caller. */
export function createParams<S extends SpecTree>(spec: S, random: Random): ParamsOf<S> {
  return build(spec, (leaf, path) => {
    const value = leaf.init([...leaf.shape], random.fork(path));
    const variable = tf.variable(value, leaf.trainable ?? true);
    value.dispose();
    return variable;
  }) as ParamsOf<S>;
}

/**
 * Variables with the weights of a file, one read at a time. They belong to the caller.
 *
 * @throws DataError with everything that is missing, unexpected or of another shape, before anything is read
 */
export async function loadParams<S extends SpecTree>(
  spec: S,
  source: WeightSource,
  random: Random,
  { rename = (name) => name }: LoadOptions = {},
): Promise<ParamsOf<S>> {
  const names = new Map<string, string>(); // in the file, by key
  for (const name of source.tensors.keys()) {
    const key = rename(name);
    if (key !== undefined) names.set(key, name);
  }
  const wanted = specLeaves(spec);
  const chosen = chooseNames(wanted, names, source);
  const made = new Map<string, tf.Variable>();
  try {
    for (const [path, leaf] of wanted) {
      const name = chosen.get(path);
      const values = name === undefined ? undefined : await source.read(name);
      made.set(path, variableOf(leaf, values, random.fork(path)));
    }
  } catch (error) {
    for (const variable of made.values()) variable.dispose();
    throw error;
  }
  return build(spec, (_, path) => made.get(path)) as ParamsOf<S>;
}

/** The parameters by their key in PyTorch, each in PyTorch's layout; the tensors belong to the caller. */
export function* stateDict<S extends SpecTree>(
  spec: S,
  params: ParamsOf<S>,
): Generator<[key: string, value: tf.Tensor]> {
  for (const [path, { key, layout, copies = [] }] of specLeaves(spec)) {
    const value = at(params, path);
    const perm = TO_FILE[layout];
    for (const name of [key, ...copies]) yield [name, perm ? tf.transpose(value, perm) : tf.clone(value)];
  }
}

/** The shape that a file has where the parameter has `shape` here. */
export function fileShape({ shape, layout }: ParameterSpec): number[] {
  return TO_FILE[layout]?.map((axis) => shape[axis]!) ?? [...shape];
}

function variableOf(leaf: ParameterSpec, values: Float32Array | undefined, random: Random): tf.Variable {
  const value = tf.tidy(() => {
    if (!values) return leaf.init([...leaf.shape], random);
    const stored = tf.tensor(values, fileShape(leaf));
    const perm = FROM_FILE[leaf.layout];
    return perm ? tf.transpose(stored, perm) : stored;
  });
  const variable = tf.variable(value, leaf.trainable ?? true);
  value.dispose();
  return variable;
}

/** The name in the file of every parameter, by path; none for those that may be absent and are. */
function chooseNames(
  wanted: ReadonlyMap<string, ParameterSpec>,
  names: ReadonlyMap<string, string>,
  { tensors, where }: WeightSource,
): Map<string, string> {
  const problems: string[] = [];
  const chosen = new Map<string, string>();
  const used = new Set<string>();
  for (const [path, leaf] of wanted) {
    const keys = [leaf.key, ...(leaf.aliases ?? [])];
    const key = keys.find((name) => names.has(name));
    const expected = fileShape(leaf);
    if (key === undefined) {
      if (leaf.absent !== 'init') problems.push(`${leaf.key} [${expected}] is missing`);
      continue;
    }
    const name = names.get(key)!;
    const { shape } = tensors.get(name)!;
    if (`${shape}` !== `${expected}`) problems.push(`${name} is [${shape}] but should be [${expected}]`);
    chosen.set(path, name);
    for (const each of keys) used.add(each);
  }
  for (const [key, name] of names) if (!used.has(key)) problems.push(`${name} is not part of this model`);
  if (problems.length > 0) {
    const shown = problems.slice(0, 20).join('\n  ');
    const more = problems.length > 20 ? `\n  ... and ${problems.length - 20} more` : '';
    throw new DataError(
      `The weights in ${where} do not fit the model that its configuration describes:\n  ${shown}${more}\n` +
        'Do configuration and weights belong together?',
    );
  }
  return chosen;
}

function build(spec: SpecTree, make: (leaf: ParameterSpec, path: string) => tf.Tensor | undefined): unknown {
  const walk = (node: SpecTree, path: string): unknown => {
    if (node === undefined) return undefined;
    if (isSpec(node)) return make(node, path);
    const child = (name: string | number) => (path === '' ? `${name}` : `${path}.${name}`);
    if (Array.isArray(node)) return node.map((each, index) => walk(each, child(index)));
    return Object.fromEntries(Object.entries(node).map(([name, each]) => [name, walk(each, child(name))]));
  };
  return walk(spec, '');
}

function at(tree: unknown, path: string): tf.Tensor {
  let node = tree;
  for (const name of path.split('.')) node = (node as Record<string, unknown>)[name];
  return node as tf.Tensor;
}
