import type { Dataset, File, Group } from 'h5wasm';
import { DataError } from '../core/errors';
import { type Hdf5Library, isDataset, isGroup, type Step } from './hdf5';
import type { SafetensorsType } from './safetensors';

/** A variable: where it lies in the HDF5 file, and what it is. */
export type Variable = { path: string; shape: readonly number[]; dtype: SafetensorsType };

/** Limits beyond those of any model, for groups that hold each other. */
const MAX_DEPTH = 64;
const MAX_OBJECTS = 200_000;

/** The variables of a layer in the order in which Keras 3 numbers them, by the layer's kind. */
const variableNames: Record<string, readonly string[]> = {
  dense: ['kernel', 'bias'],
  conv1d: ['kernel', 'bias'],
  conv2d: ['kernel', 'bias'],
  conv3d: ['kernel', 'bias'],
  depthwise_conv2d: ['kernel', 'bias'],
  separable_conv2d: ['depthwise_kernel', 'pointwise_kernel', 'bias'],
  embedding: ['embeddings'],
  'lstm/cell': ['kernel', 'recurrent_kernel', 'bias'],
  'gru/cell': ['kernel', 'recurrent_kernel', 'bias'],
  'simple_rnn/cell': ['kernel', 'recurrent_kernel', 'bias'],
  batch_normalization: ['gamma', 'beta', 'moving_mean', 'moving_variance'],
  layer_normalization: ['gamma', 'beta'],
};

/** The weights in a file of Keras, by name; see `kerasSource` for the names. */
export async function kerasVariables(
  root: File,
  step: Step,
  library: Hdf5Library,
  fileSize: number,
): Promise<Map<string, Variable>> {
  const keys = await step(() => root.keys());
  const whole = keys.includes('model_weights') ? await step(() => root.get('model_weights')) : root;
  if (!isGroup(library, whole)) throw new DataError("Its 'model_weights' is no group. Was it saved by Keras?");
  const variables: Variable[] = [];
  for (const path of await arraysIn(whole, step, library))
    variables.push({ path, ...(await describe(root, path, step, fileSize)) });
  const numbered = whole === root && variables.some(({ path }) => /\/vars\/\d+$/.test(path));
  const names = numbered ? await namesOfNumbered(variables, root, step, library) : namesOfLegacy(variables, whole.path);
  return new Map(variables.map((variable, index) => [names[index]!, variable]));
}

async function arraysIn(top: Group, step: Step, library: Hdf5Library): Promise<string[]> {
  const found: string[] = [];
  let objects = 0;
  const walk = async (group: Group, depth: number): Promise<void> => {
    for (const key of await step(() => group.keys())) {
      if (depth === 0 && (key === 'optimizer' || key === 'optimizer_weights')) continue;
      if (depth > MAX_DEPTH || ++objects > MAX_OBJECTS) throw new DataError('Its groups hold each other without end.');
      const entity = await step(() => group.get(key));
      if (isGroup(library, entity)) await walk(entity, depth + 1);
      else if (isDataset(library, entity)) found.push(entity.path);
      else throw new DataError(`'${key}' in '${group.path}' is neither a group nor an array.`);
    }
  };
  await walk(top, 0);
  return found;
}

async function describe(root: File, path: string, step: Step, fileSize: number): Promise<Omit<Variable, 'path'>> {
  // Looked up in each step, because a dataset keeps what it made of bytes that were not there yet.
  const open = () => root.get(path) as Dataset;
  const { type, size, signed, littleEndian, shape, total_size: count } = await step(() => open().metadata);
  const filters = await step(() => open().filters);
  const whole = signed ? integers[size] : size === 1 ? 'U8' : undefined;
  const dtype = type === 1 ? floats[size] : type === 0 ? whole : undefined;
  if (!dtype || !littleEndian || !shape)
    throw new DataError(`'${path}' is no array of numbers of a known type. Save the weights as float32.`);
  if (filters.length > 0) throw new DataError(`'${path}' is compressed. Save the weights without compression.`);
  if (count * size > fileSize)
    throw new DataError(`'${path}' claims ${count * size} bytes, more than the file has. Was it cut short?`);
  return { shape: [...shape], dtype };
}

const floats: Record<number, SafetensorsType> = { 2: 'F16', 4: 'F32', 8: 'F64' };
const integers: Record<number, SafetensorsType> = { 1: 'I8', 2: 'I16', 4: 'I32', 8: 'I64' };

/** `/model_weights/LAYER/NAME`, where NAME has slashes of its own and says the layer again, but in some models does not. */
function namesOfLegacy(variables: readonly Variable[], top: string): string[] {
  const within = variables.map(({ path }) => path.slice(top === '/' ? 1 : top.length + 1).replace(/:0$/, ''));
  const alone = within.map((path) => path.slice(path.indexOf('/') + 1));
  return new Set(alone).size === alone.length ? alone : within;
}

async function namesOfNumbered(
  variables: readonly Variable[],
  root: File,
  step: Step,
  library: Hdf5Library,
): Promise<string[]> {
  const given = new Map<string, string | undefined>();
  const nameOf = async (group: string): Promise<string | undefined> => {
    if (!given.has(group)) {
      const vars = await step(() => root.get(`${group}/vars`));
      const value = isGroup(library, vars) ? await step(() => vars.attrs.name?.value) : undefined;
      given.set(group, typeof value === 'string' ? value : undefined);
    }
    return given.get(group);
  };
  const counts = new Map<string, number>();
  for (const { path } of variables) counts.set(parentOf(path), (counts.get(parentOf(path)) ?? 0) + 1);
  const names: string[] = [];
  for (const { path } of variables) names.push(await numberedName(path, counts.get(parentOf(path))!, nameOf));
  return new Set(names).size === names.length ? names : variables.map(({ path }) => path.slice(1));
}

const parentOf = (path: string) => path.slice(0, path.lastIndexOf('/'));

/** `/layers/lstm_1/cell/vars/0` -> `decoder/lstm_cell/kernel`, with the names that the layers were given. */
async function numberedName(
  path: string,
  count: number,
  nameOf: (group: string) => Promise<string | undefined>,
): Promise<string> {
  const parts = path.split('/').slice(1);
  const groups = parts.slice(0, -2); // without `vars` and the number
  const names: string[] = [];
  for (const [depth, group] of groups.entries()) {
    const name = await nameOf(`/${groups.slice(0, depth + 1).join('/')}`);
    if (name !== undefined || group !== 'layers') names.push(name ?? group);
  }
  const kinds = groups.map((group) => group.replace(/_\d+$/, ''));
  const known = variableNames[kinds.slice(-2).join('/')] ?? variableNames[kinds.at(-1) ?? ''] ?? [];
  // Without a bias there is one variable less, and it is the last; a batch norm without scale lacks the first.
  const fits = count === known.length || (count === known.length - 1 && known.at(-1) === 'bias');
  const number = Number(parts.at(-1));
  return [...names, ...(fits && known[number] !== undefined ? [known[number]] : ['vars', `${number}`])].join('/');
}
