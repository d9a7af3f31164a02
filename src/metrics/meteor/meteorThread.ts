// Runs in a worker thread of Node; `threads.ts` starts it and says why.
import { meteorStatistics } from '../meteor';
import { loadMeteorData } from './data';
import { type Answer, type Piece, workerThreads } from './threads';

const port = workerThreads()!.parentPort!;
const loading = loadMeteorData();
loading.catch(() => {}); // is thrown where it is awaited

port.on('message', async ({ from, captions }: Piece) => {
  const data = await loading;
  const statistics = captions.map(([candidate, ...references]) =>
    meteorStatistics(
      [candidate!],
      references.map((reference) => [reference]),
      data,
    ),
  );
  port.postMessage({ from, statistics } satisfies Answer);
});
