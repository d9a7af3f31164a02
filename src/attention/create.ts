import * as v from 'valibot';
import { UsageError } from '../core/errors';
import { whole } from '../core/schema';
import { adaptive } from './adaptive';
import { additive } from './additive';
import { multiHead, scaledDot } from './dotProduct';
import { hard } from './hard';
import { local, location, locationAware } from './location';
import { concat, dot, general } from './luong';
import type { AnyAttention } from './mechanism';

/** The mechanisms by their names. */
const MECHANISMS = {
  additive,
  general,
  dot,
  concat,
  'scaled-dot': scaledDot,
  'multi-head': multiHead,
  location,
  'location-aware': locationAware,
  local,
  adaptive,
  hard,
} as const;

export type AttentionName = keyof typeof MECHANISMS;

export const ATTENTION_NAMES = Object.keys(MECHANISMS) as readonly AttentionName[];

const plain = v.strictObject({
  type: v.picklist(['general', 'dot', 'concat', 'scaled-dot', 'location', 'adaptive', 'hard']),
});

/** The settings of the mechanisms as checkpoints hold them; additive attention has its own in the decoder's. */
const storedAttention = v.variant('type', [
  plain,
  v.strictObject({ type: v.literal('multi-head'), numHeads: whole }),
  v.strictObject({ type: v.literal('location-aware'), filters: whole, size: whole }),
  v.strictObject({ type: v.literal('local'), window: whole }),
]);

const isName = (name: string): name is AttentionName => Object.hasOwn(MECHANISMS, name);

/** A mechanism by its name, with its default settings, or the one that is given. */
export function attentionOf(given: AttentionName | AnyAttention): AnyAttention {
  if (typeof given !== 'string') return given;
  if (isName(given)) return MECHANISMS[given]();
  throw new UsageError(
    `There is no attention '${given}'. It may be ${ATTENTION_NAMES.join(', ')}, or a mechanism of your own.`,
  );
}

/** The mechanism that a checkpoint describes; undefined where it is none of this library's. */
export function storedMechanism(config: AnyAttention['config']): AnyAttention | undefined {
  const checked = v.safeParse(storedAttention, config);
  if (!checked.success) return undefined;
  const { type, ...settings } = checked.output;
  return (MECHANISMS[type] as (settings: object) => AnyAttention)(settings);
}
