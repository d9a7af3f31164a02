import {
  clipScores,
  distinctNgrams,
  diversity,
  documentFrequencies,
  lsaDiversity,
  mutualBleu,
  novelty,
  refClipScores,
  selfCider,
  selfCiderKernels,
  type Tokens,
  vocabulary,
  vocabularySize,
} from '../../src/metrics/index';

/** Called for each number of a golden. */
export type Close = (what: string, actual: number, wanted: number, tolerance?: number) => void;

type DiversityItem = {
  id: string | number;
  captions: string[];
  selfCider: number;
  ciderKernel: number[][];
  lsa: number;
  mBleu: number[];
  distinct: Record<string, { unique: number; ngrams: number; distinctOverNgrams: number; divOverWords: number }>;
};

export type DiversityFile = {
  note: string;
  /** The captions of each image, in which n-grams are counted and among which others are novel. */
  dfCorpus: string[][];
  items: DiversityItem[];
  mean: { selfCider: number; mBleu: number[]; lsa: number };
  vocabulary: number;
  novelty: number;
};

const tokens = (caption: string): Tokens => caption.split(' ').filter((token) => token !== '');

/** Of a singular kernel the reference takes the square root of what rounding left: 1e-8 instead of 0. */
const SINGULAR = 1e-7;
const mayBeSingular = (captions: readonly string[]) =>
  new Set(captions).size < captions.length || captions.includes('');

/** The measures one by one and, on the same captions, as `diversity` and `vocabulary` put them together. */
export function compareDiversity(file: DiversityFile, close: Close): void {
  expectKeys(file, ['note', 'dfCorpus', 'items', 'mean', 'vocabulary', 'novelty']);
  const corpus = file.dfCorpus.map((captions) => captions.map(tokens));
  const frequencies = documentFrequencies(corpus);
  const sets = file.items.map(({ captions }) => captions.map(tokens));
  const kernels = selfCiderKernels(sets, frequencies);
  const together = diversity({ documentFrequencies: frequencies });
  const words = vocabulary({ training: corpus.flat() });
  for (const set of sets) {
    together.update(set);
    words.update(set);
  }
  const { corpus: means, segments } = together.compute();
  for (const [index, item] of file.items.entries()) {
    expectKeys(item, ['id', 'captions', 'selfCider', 'ciderKernel', 'lsa', 'mBleu', 'distinct']);
    const [set, kernel, scores] = [sets[index]!, kernels[index]!, segments[index]!];
    const tolerance = mayBeSingular(item.captions) ? SINGULAR : undefined;
    for (const [row, values] of item.ciderKernel.entries())
      for (const [column, value] of values.entries())
        close(`the kernel of ${item.id} at ${row}, ${column}`, kernel[row]![column]!, value);
    close(`self-CIDEr of ${item.id}`, selfCider(kernel), item.selfCider, tolerance);
    close(`Self-CIDEr of ${item.id}`, scores['Self-CIDEr'], item.selfCider, tolerance);
    close(`LSA of ${item.id}`, lsaDiversity(set), item.lsa);
    close(`LSA of ${item.id}`, scores.LSA, item.lsa);
    for (const [n, value] of item.mBleu.entries()) {
      const name = `BLEU-${n + 1}` as 'BLEU-1';
      close(`mBLEU-${n + 1} of ${item.id}`, mutualBleu(set)[name], value);
      close(`mBLEU-${n + 1} of ${item.id}`, scores[`m${name}`], value);
    }
    for (const [n, wanted] of Object.entries(item.distinct)) {
      const order = n as '1';
      expectKeys(wanted, ['unique', 'ngrams', 'distinctOverNgrams', 'divOverWords']);
      const { unique, ngrams, distinct, div } = distinctNgrams(set)[Number(n) - 1]!;
      close(`unique ${n}-grams of ${item.id}`, unique, wanted.unique);
      close(`${n}-grams of ${item.id}`, ngrams, wanted.ngrams);
      close(`distinct-${n} of ${item.id}`, distinct, wanted.distinctOverNgrams);
      close(`Distinct-${n} of ${item.id}`, scores[`Distinct-${order}`], wanted.distinctOverNgrams);
      close(`div-${n} of ${item.id}`, div, wanted.divOverWords);
      close(`Div-${n} of ${item.id}`, scores[`Div-${order}`], wanted.divOverWords);
    }
  }
  expectKeys(file.mean, ['selfCider', 'mBleu', 'lsa']);
  close('mean self-CIDEr', means['Self-CIDEr'], file.mean.selfCider);
  close('mean LSA', means.LSA, file.mean.lsa);
  for (const [n, value] of file.mean.mBleu.entries())
    close(`mean mBLEU-${n + 1}`, means[`mBLEU-${n + 1}` as 'mBLEU-1'], value);
  close('vocabulary', vocabularySize(sets.flat()), file.vocabulary);
  close('vocabulary', words.compute().vocabularySize, file.vocabulary);
  close('novelty', novelty(sets.flat(), corpus.flat()), file.novelty);
  close('novelty', words.compute().novelty!, file.novelty);
}

export type ClipScoreFile = {
  note: string;
  weight: number;
  items: { image: number[]; caption: number[]; references: number[][]; clipScore: number; refClipScore: number }[];
  mean: { clipScore: number; refClipScore: number };
};

export function compareClipScores({ note: _, weight, items, mean, ...others }: ClipScoreFile, close: Close): void {
  expectKeys(others, []);
  const images = items.map(({ image }) => image);
  const captions = items.map(({ caption }) => caption);
  const plain = clipScores(images, captions, { weight });
  const withReferences = refClipScores(
    images,
    captions,
    items.map(({ references }) => references),
    { weight },
  );
  for (const [index, item] of items.entries()) {
    expectKeys(item, ['image', 'caption', 'references', 'clipScore', 'refClipScore']);
    close(`CLIPScore ${index}`, plain.segments[index]!.CLIPScore, item.clipScore);
    close(`RefCLIPScore ${index}`, withReferences.segments[index]!.RefCLIPScore, item.refClipScore);
  }
  close('mean CLIPScore', plain.corpus.CLIPScore, mean.clipScore);
  close('mean RefCLIPScore', withReferences.corpus.RefCLIPScore, mean.refClipScore);
}

/** Every output is compared, or is an error. */
function expectKeys(value: object, known: readonly string[]): void {
  for (const key of Object.keys(value))
    if (!known.includes(key)) throw new Error(`The output '${key}' is not known here.`);
}
