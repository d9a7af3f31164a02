import { ScoringError } from '../errors';
import type { ParaphraseTable } from './paraphrases';
import { readParaphrases } from './readParaphrases';
import { synonymDictionary } from './synonyms';
import { synsetsOf } from './synsets';

/** What METEOR 1.5 knows about English; `loadMeteorData` reads it. */
export type MeteorData = {
  /** Words that carry grammar rather than content. */
  functionWords: ReadonlySet<string>;
  /** The numbers of the WordNet synsets that a word, or one of its base forms, belongs to. */
  synsets(word: string): ReadonlySet<number>;
  /** Absent where METEOR was asked to do without. */
  paraphrases?: ParaphraseTable;
};

/** The data package as a module, as `import * as meteorEn` brings it. */
export type MeteorPackage = {
  /** The bytes of one of its files, packed by gzip. */
  open(name: string): Promise<ReadableStream<Uint8Array>>;
  /** The same unpacked; Node does it in a third of the time that the stream takes. */
  unpack?(name: string): Promise<Uint8Array>;
};

export type MeteorDataOptions = {
  /**
   * The package, imported, so that a bundler takes its files along; or the URL under which the files of its folder `data` are
   * served. By default the installed package is looked for, which works in Node.
   */
  from?: MeteorPackage | string | URL;
  /** False saves nine tenths of the data; the score is then no METEOR 1.5 and is named 'METEOR (without paraphrases)'. */
  paraphrases?: boolean;
  signal?: AbortSignal;
};

const PACKAGE = '@tfjs-captioning/meteor-en';

/**
 * Loads METEOR's data, 22 MB that become about 80 MB in memory: from the package `@tfjs-captioning/meteor-en` where it is
 * installed, or from a URL. Load it once and give it to every `meteor()`.
 *
 * @throws ScoringError where the data is not to be had, with what to do about it
 */
export async function loadMeteorData(options: MeteorDataOptions = {}): Promise<MeteorData> {
  const { paraphrases = true, signal } = options;
  signal?.throwIfAborted();
  const from = options.from ?? (await installed());
  const source = typeof from === 'string' || from instanceof URL ? served(from, signal) : from;
  const read = (name: string) => unpacked(source, name, signal);
  const [functionWords, synsets, exceptions, table] = await Promise.all([
    read('function-words.txt.gz').then(linesOf),
    read('synsets.txt.gz').then(synsetsOf),
    read('exceptions.txt.gz').then(linesOf),
    paraphrases ? read('paraphrases.bin.gz').then(readParaphrases) : undefined,
  ]);
  return {
    functionWords: new Set(functionWords),
    synsets: synonymDictionary(synsets, basesOf(exceptions)),
    ...(table && { paraphrases: table }),
  };
}

/** Whether `loadMeteorData` finds the data without being told where it is. */
export async function meteorDataInstalled(): Promise<boolean> {
  return importPackage().then(
    () => true,
    () => false,
  );
}

/** The name is no literal, so that no bundler asks for the package before we do. */
async function importPackage(name: string = PACKAGE): Promise<MeteorPackage> {
  return import(/* @vite-ignore */ /* webpackIgnore: true */ name);
}

async function installed(): Promise<MeteorPackage> {
  try {
    return await importPackage();
  } catch (cause) {
    throw new ScoringError(
      `METEOR needs its data, which is a package of its own: npm install ${PACKAGE}. In a browser, import that package, or put its folder data on a server, and hand over the module or the URL: loadMeteorData({ from }).`,
      { cause },
    );
  }
}

function served(url: string | URL, signal: AbortSignal | undefined): MeteorPackage {
  const folder = `${url}`.endsWith('/') ? `${url}` : `${url}/`;
  return {
    async open(name) {
      const response = await fetch(`${folder}${name}`, signal ? { signal } : {}).catch((cause) => {
        signal?.throwIfAborted();
        throw new ScoringError(`${folder}${name} could not be reached: ${(cause as Error).message}.`, { cause });
      });
      if (!response.ok || !response.body)
        throw new ScoringError(
          `${folder}${name} answered ${response.status} ${response.statusText}. METEOR's data are the files in the folder data of ${PACKAGE}; does that URL serve them?`,
        );
      return response.body;
    },
  };
}

async function unpacked(
  { open, unpack }: MeteorPackage,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  try {
    if (unpack) {
      const bytes = await unpack(name);
      signal?.throwIfAborted();
      return bytes;
    }
    const stream = (await open(name)).pipeThrough(
      new DecompressionStream('gzip') as TransformStream,
      signal ? { signal } : {},
    );
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (cause) {
    if (signal?.aborted || cause instanceof ScoringError) throw cause;
    throw new ScoringError(
      `METEOR's ${name} could not be unpacked: ${(cause as Error).message}. The file is damaged; install or copy ${PACKAGE} again.`,
      { cause },
    );
  }
}

function linesOf(bytes: Uint8Array): string[] {
  return new TextDecoder().decode(bytes).trimEnd().split('\n');
}

/** A base form on one line, its irregular forms on the next. */
function basesOf(lines: readonly string[]): Map<string, string[]> {
  const bases = new Map<string, string[]>();
  for (let i = 0; i < lines.length; i += 2)
    for (const form of lines[i + 1]!.split(' ')) bases.set(form, [...(bases.get(form) ?? []), lines[i]!]);
  return bases;
}
