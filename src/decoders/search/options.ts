import { UsageError } from '../../core/errors';

const CONSTRAINTS = [
  'maxLength',
  'minLength',
  'minNewTokens',
  'noRepeatNgram',
  'repetitionPenalty',
  'sequenceBias',
  'badWords',
  'allowed',
  'forcedFirst',
  'forcedLast',
  'lengthDecay',
  'suppress',
  'beginSuppress',
];

/** What every strategy takes. */
const TAKES = {
  greedy: ['temperature', ...CONSTRAINTS],
  beam: [
    'beamSize',
    'rule',
    'lengthPenalty',
    'earlyStopping',
    'temperature',
    'groups',
    'diversityPenalty',
    'forcedWords',
    'renormalise',
    ...CONSTRAINTS,
  ],
  sample: [
    'temperature',
    'topK',
    'topP',
    'minP',
    'typicalP',
    'epsilon',
    'eta',
    'seed',
    'samples',
    'beamSize',
    'lengthPenalty',
    'earlyStopping',
    ...CONSTRAINTS,
  ],
  contrastive: ['topK', 'penaltyAlpha', ...CONSTRAINTS],
} satisfies Record<string, readonly string[]>;

/** @throws UsageError for an option that the strategy does not take; it names those that do */
export function expectOptions(strategy: keyof typeof TAKES, options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || TAKES[strategy].includes(name)) continue;
    const others = Object.entries(TAKES).filter(([, names]) => names.includes(name));
    const remedy =
      others.length > 0
        ? `${others.map(([other]) => `${other}()`).join(' and ')} ${others.length > 1 ? 'do' : 'does'}.`
        : `No strategy does; it takes ${TAKES[strategy].join(', ')}.`;
    throw new UsageError(`${strategy}() does not take ${name}. ${remedy}`);
  }
}

/** @throws UsageError unless `value` is above 0 and at most 1 */
export function expectShare(name: string, value: number): void {
  if (value > 0 && value <= 1) return;
  throw new UsageError(`${name} is ${value} but should be above 0 and at most 1.`);
}
