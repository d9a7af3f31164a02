import type { CaptionRule } from './captionRules';
import { datasetAt } from './dataset';
import type { Dataset, Example } from './types';

/** What a rule dropped: all of it counted, the first ones shown. */
export type Dropped = { rule: string; count: number; examples: { id: string; caption: string; why: string }[] };

export type CleaningReport = {
  captions: number;
  kept: number;
  pictures: number;
  /** Pictures of which no caption was left. */
  picturesLeftOut: number;
  dropped: Dropped[];
};

export type CleaningOptions = {
  /** Told every caption that is dropped. */
  onDrop?: (dropped: { id: string; caption: string; rule: string; why: string }) => void;
  /** How many of each rule the report shows; by default 10. */
  examples?: number;
  signal?: AbortSignal;
};

/**
 * A data set without the captions that rules reject, and what they rejected and why. Nothing is changed on disk or in `data`, which
 * still has all of them. Pictures without captions left are left out.
 *
 * Meant for what is learned from: captions that are scored against should stay as they are.
 */
export async function cleanCaptions(
  data: Dataset,
  rules: readonly CaptionRule[],
  { onDrop, examples = 10, signal }: CleaningOptions = {},
): Promise<{ data: Dataset; report: CleaningReport }> {
  const counting = rules.filter(({ count }) => count);
  if (counting.length > 0)
    for await (const { id, captions } of data) {
      signal?.throwIfAborted();
      for (const { count } of counting) for (const caption of captions) count!(caption, id);
    }
  const dropped = new Map<string, Dropped>(rules.map(({ name }) => [name, { rule: name, count: 0, examples: [] }]));
  /** By the place of an example: the places of its captions that stay; absent where all do. */
  const left = new Map<number, number[]>();
  let [place, captions, kept, picturesLeftOut] = [0, 0, 0, 0];
  for await (const example of data) {
    signal?.throwIfAborted();
    const stay = example.captions.flatMap((caption, index) => {
      for (const { name, check } of rules) {
        const why = check(caption, { example, index });
        if (why === undefined) continue;
        const entry = dropped.get(name)!;
        entry.count++;
        if (entry.examples.length < examples) entry.examples.push({ id: example.id, caption, why });
        onDrop?.({ id: example.id, caption, rule: name, why });
        return [];
      }
      return [index];
    });
    if (stay.length < example.captions.length) left.set(place, stay);
    if (stay.length === 0) picturesLeftOut++;
    captions += example.captions.length;
    kept += stay.length;
    place++;
  }
  const report = { captions, kept, pictures: data.size, picturesLeftOut, dropped: [...dropped.values()] };
  const members = Uint32Array.from({ length: data.size }, (_, index) => index).filter(
    (index) => left.get(index)?.length !== 0,
  );
  const without = (example: Example, index: number) => {
    const stay = left.get(index);
    return stay ? onlyCaptions(example, stay) : example;
  };
  return { data: selected(data, members, without), report };
}

/** A data set without some of its examples. */
export function withoutExamples(data: Dataset, ids: ReadonlySet<string>): Dataset {
  const members = Uint32Array.from(data.ids.keys()).filter((index) => !ids.has(data.ids[index]!));
  return selected(data, members, (example) => example);
}

/** Examples of a data set by their places, changed on the way. */
function selected(data: Dataset, members: Uint32Array, change: (example: Example, place: number) => Example): Dataset {
  return datasetAt(
    members.length,
    (place) => data.ids[members[place]!]!,
    async (place) => change(await data.at(members[place]!), members[place]!),
  );
}

/** An example with some of its captions, and what is told about those. */
function onlyCaptions(example: Example, stay: readonly number[]): Example {
  const about = example.metadata?.captions;
  const metadata = Array.isArray(about) && { metadata: { ...example.metadata, captions: stay.map((i) => about[i]) } };
  return { ...example, captions: stay.map((i) => example.captions[i]!), ...metadata };
}
