// Runs in a worker thread of Node; `threads.ts` starts it and says why.
import { meteorStatistics } from '../meteor';
import { loadMeteorData } from './data';
import { type Answer, captionsOf, type Piece, workerThreads } from './threads';

const port = workerThreads()!.parentPort!;
const words: string[] = [];
const loading = loadMeteorData();
loading.catch(() => {}); // is thrown where it is awaited

port.on('message', async (piece: Piece) => {
  const captions = captionsOf(piece, words);
  const data = await loading;
  const statistics = captions.map(([candidate, ...references]) => meteorStatistics(candidate!, references, data));
  port.postMessage({ from: piece.from, statistics } satisfies Answer);
});
