import type { SaveStateDictOptions } from '../io/saveStateDict';
import type { Store } from '../io/types';

/** What a published model has beside its weights, and what is saved again with them. */
const FILES = [
  'config.json',
  'generation_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
];

export const hasFile = async (store: Store, name: string): Promise<boolean> => (await store.size(name)) !== undefined;

/** The files beside the weights, as they are. */
export async function readFilesBeside(store: Store): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of FILES) if (await hasFile(store, name)) files.set(name, await store.read(name));
  return files;
}

/** Writes them; `config.json` says what type the weights are of. */
export async function writeFilesBeside(
  store: Store,
  files: ReadonlyMap<string, Uint8Array>,
  dtype: SaveStateDictOptions['dtype'],
): Promise<void> {
  for (const [name, bytes] of files)
    await store.write(name, dtype && name === 'config.json' ? withDtype(bytes, dtype) : bytes);
}

/** Changed as text: Python tells 1.0 from 1, and JavaScript would write the one as the other. */
function withDtype(config: Uint8Array, dtype: string): Uint8Array {
  const text = new TextDecoder().decode(config);
  const entry = /"(torch_)?dtype":\s*"[a-z0-9]+"/g;
  const changed = entry.test(text)
    ? text.replaceAll(entry, (_, old = '') => `"${old}dtype": "${dtype}"`)
    : text.replace('{', `{\n  "dtype": "${dtype}",`);
  return new TextEncoder().encode(changed);
}
