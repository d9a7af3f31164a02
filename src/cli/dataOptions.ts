import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../core/errors';
import { type CaptionRule, captionRules, wikipediaRules } from '../data/captionRules';
import { type CleaningReport, cleanCaptions } from '../data/cleaning';
import type { SplitShares } from '../data/dataset';
import type { CaptionData } from '../data/types';
import { type LayoutName, type LoadCaptionDataOptions, layoutNames, loadCaptionData } from '../node/captionData';
import { languageDetector } from '../node/languageDetector';
import type { PictureThreads } from '../node/pictureThreads';
import { expectMixable, type MixedIn, type MixOptions, mixData } from './mixedData';

/** Options of every command that reads caption data; `splitShares` are those of dev and test, such as `0.1,0.1`. */
export type DataOptions = { layout?: LayoutName; splitShares?: string; downloads?: string };

/** Options of a command that learns from captions. */
export type CleanOptions = { clean?: true; language?: string[] };

export const layoutOption = () =>
  new Option('--layout <name>', 'read this layout, where the folder holds several (default: recognised)').choices(
    layoutNames,
  );
export const splitSharesOption = () =>
  new Option(
    '--split-shares <dev,test>',
    'draw splits with these shares by seed, such as 0.1,0.1 (default: as the data says)',
  ).argParser((text) => {
    parseShares(text);
    return text;
  });
export const downloadsOption = () =>
  new Option('--downloads <folder>', 'where `data download` put pictures (default: downloaded, in the folder)');
export const cleanOption = () =>
  new Option('--clean', 'leave captions out of train that `data check --captions` names; nothing is changed on disk');
export const languageOption = () =>
  new Option('--language <codes...>', 'with --clean: languages that may stay, such as en (needs the package eld)');

/** Adds what is asked of caption data beside `--data-path`. */
export function withDataOptions(command: Command): Command {
  return command.addOption(layoutOption()).addOption(splitSharesOption()).addOption(downloadsOption());
}

export function loadOptions({ layout, splitShares, downloads }: DataOptions): LoadCaptionDataOptions {
  return {
    ...(layout !== undefined && { layout }),
    ...(splitShares !== undefined && { splits: parseShares(splitShares) }),
    ...(downloads !== undefined && { downloads }),
  };
}

/** Caption data to learn from, of one folder or several: what is evaluated on is never cleaned. */
export async function loadToLearn(
  options: DataOptions & CleanOptions & MixOptions & { seed: number },
  threads: PictureThreads,
): Promise<CaptionData & { cleaning?: Pick<CleaningReport, 'kept' | 'captions'>; mixture?: MixedIn[] }> {
  const { dataPath, clean, language } = options;
  if (language && !clean) throw new UsageError('--language says which captions --clean leaves. Give --clean too.');
  expectMixable(options);
  const sets: CaptionData[] = [];
  const cleaning = { captions: 0, kept: 0 };
  for (const path of dataPath) {
    const data = await loadCaptionData(path, { ...loadOptions(options), threads });
    const cleaned = clean ? await cleanCaptions(data.train, await rulesFor(data, language)) : undefined;
    cleaning.captions += cleaned?.report.captions ?? 0;
    cleaning.kept += cleaned?.report.kept ?? 0;
    sets.push(cleaned ? { ...data, train: cleaned.data } : data);
  }
  const data = sets.length === 1 ? sets[0]! : await mixData(sets, options, options.seed);
  return { ...data, ...(clean && { cleaning }) };
}

/** The rules that fit what was recognised. */
export async function rulesFor({ layout }: CaptionData, languages: string[] | undefined): Promise<CaptionRule[]> {
  const options = languages ? { languages, detectLanguage: await languageDetector() } : {};
  return layout === 'wikipedia' ? wikipediaRules(options) : captionRules(options);
}

function parseShares(text: string): SplitShares {
  const [dev, test, ...rest] = text.split(',').map(Number);
  const fits = (share: number | undefined): share is number => share !== undefined && share >= 0 && share < 1;
  if (fits(dev) && fits(test) && rest.length === 0) return { dev, test };
  throw new InvalidArgumentError('It should be two shares between 0 and 1, such as 0.1,0.1.');
}
