import { join } from 'node:path';
import { Command } from 'commander';
import { loadCaptionData } from '../node/captionData';
import { type Downloaded, downloadPictures } from '../node/downloadPictures';
import { type DataOptions, loadOptions, withDataOptions } from './dataOptions';
import { Progress } from './progress';
import { abortOnInterrupt, Interrupted, positive, wholeFrom } from './shared';

type DownloadCommandOptions = DataOptions & {
  dataPath: string;
  userAgent: string;
  perSecond: number;
  atOnce: number;
  mostBytes: number;
  most?: number;
  allowPrivate?: true;
  json?: true;
};

/** `data download`: fetches the pictures that caption data names by their addresses. */
export function downloadCommand(): Command {
  return withDataOptions(
    new Command('download')
      .description(
        'download the pictures that a folder of caption data names by address; stopped, it goes on where it was',
      )
      .requiredOption('--data-path <folder>', 'folder with captions')
      .requiredOption(
        '--user-agent <text>',
        'who asks, with an address of yours, as servers want it: "my-project/1.0 (me@example.org)"',
      ),
  )
    .option('--per-second <number>', 'requests in a second', positive, 2)
    .option('--at-once <number>', 'requests at a time', wholeFrom(1), 2)
    .option('--most-bytes <number>', 'largest picture', wholeFrom(1), 20 * 2 ** 20)
    .option('--most <number>', 'stop after this many pictures', wholeFrom(1))
    .option('--allow-private', 'ask servers in private networks and on this machine too')
    .option('--json', 'print what became of each address as JSON lines')
    .action(async (options: DownloadCommandOptions) => {
      const { signal } = abortOnInterrupt('Stopping; what was downloaded is kept.');
      const { downloads = join(options.dataPath, 'downloaded'), userAgent, perSecond, atOnce, mostBytes } = options;
      const counts: Record<Downloaded['state'], number> = { new: 0, there: 0, failed: 0, later: 0 };
      const progress = new Progress();
      const summary = () =>
        `${counts.new} new, ${counts.there} there before, ${counts.failed} not to be had, ${counts.later} for later`;
      const results = downloadPictures(addressesOf(options), {
        ...{ folder: downloads, userAgent, perSecond, atOnce, mostBytes, signal },
        allowPrivate: options.allowPrivate === true,
      });
      try {
        for await (const result of results) {
          counts[result.state]++;
          if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
          else if (result.why !== undefined) {
            progress.end();
            process.stdout.write(`${result.url} ${result.why}\n`);
          }
          progress.show(summary());
        }
      } catch (error) {
        throw signal.aborted ? new Interrupted() : error;
      } finally {
        progress.end();
        process.stderr.write(`${summary()}; in ${downloads}.\n`);
      }
    });
}

/** The addresses of all splits, in order. */
async function* addressesOf(options: DownloadCommandOptions): AsyncGenerator<string> {
  const data = await loadCaptionData(options.dataPath, { ...loadOptions(options), missingPictures: 'keep' });
  let count = 0;
  for (const split of ['train', 'dev', 'test'] as const)
    for await (const { metadata } of data[split]) {
      if (count === options.most) return;
      const url = metadata?.url ?? metadata?.image_url;
      if (typeof url !== 'string') continue;
      count++;
      yield url;
    }
}
