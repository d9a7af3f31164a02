import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AnyAttention } from '../../src/attention/mechanism';
import type { AttentionLSTMConfig } from '../../src/decoders/attentionLSTM';
import type { LSTMDecoderConfig } from '../../src/decoders/lstm';
import type { Stored, StoredTree } from '../training/golden';

export type MechanismCase = {
  kind: string;
  config: AnyAttention['config'];
  grid: [number, number];
  parameters: StoredTree;
  mask: Stored;
  inputs: StoredTree;
  outputs: { context: Stored; weights: Stored };
  above: { context: Stored; weights: Stored };
  gradients: StoredTree;
};

type Term = { value: Stored; gradient: Stored };

export type DecoderCase<Config> = {
  config: Config;
  captions: number[][];
  features: Stored;
  mask: Stored;
  parameters: StoredTree;
  /** Of the places that are wanted. */
  logits: Stored;
  loss: Stored;
  gradients: StoredTree;
};

const read = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../goldens/attention/${name}.json`), 'utf8'));

/** PyTorch's answers, computed in double precision by `scripts/make_attention_goldens.py`. */
export const mechanismGolden = read('mechanisms') as {
  mechanisms: MechanismCase[];
  gru: { parameters: StoredTree; inputs: StoredTree; output: Stored; above: Stored; gradients: StoredTree };
  looks: { scores: Stored; chosen: Stored; mask: Stored; advantages: Stored; reward: Term; entropy: Term };
  /** Sinusoidal places of a grid, [rows * columns, size]. */
  places: { grid: [number, number]; size: number; values: Stored };
};

export const decoderGolden = read('decoders') as {
  attending: DecoderCase<AttentionLSTMConfig>[];
  plain: DecoderCase<LSTMDecoderConfig>[];
};
