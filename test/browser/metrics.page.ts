import { loadMeteorData, type ScoredCaption, scoreCaptions } from '../../src/metrics/index';

/** Scores captions with METEOR's data from a URL, as a page would. */
export async function score(captions: ScoredCaption[], url: string) {
  const meteorData = await loadMeteorData({ from: new URL(url, location.href) });
  return scoreCaptions(captions, { meteorData, details: true });
}

/** Without the data METEOR is left out, and refused where it is asked for by name. */
export async function scoreWithoutData(captions: ScoredCaption[]) {
  const { corpus, omitted } = await scoreCaptions(captions);
  const refusal = await scoreCaptions(captions, { metrics: ['meteor'] }).then(
    () => undefined,
    (error: Error) => error.message,
  );
  return { names: Object.keys(corpus), omitted, refusal };
}
