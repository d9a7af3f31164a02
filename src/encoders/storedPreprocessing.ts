import * as v from 'valibot';
import { whole } from '../core/schema';

export const pair = v.tuple([whole, whole]);
const perChannel = v.union([v.number(), v.tuple([v.number(), v.number(), v.number()])]);

/** How pictures become pixels, as our own checkpoints hold it. */
export const storedPreprocessing = v.object({
  size: pair,
  resize: v.union([
    v.picklist(['squash', 'none']),
    v.object({ height: whole, width: whole }),
    v.object({ shortestEdge: whole }),
  ]),
  crop: v.exactOptional(v.picklist(['floor', 'round'])),
  filter: v.picklist(['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos']),
  alpha: v.exactOptional(v.picklist(['white', 'drop'])),
  mean: perChannel,
  scale: perChannel,
});
