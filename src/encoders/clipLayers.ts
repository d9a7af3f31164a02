import { multiHeadSpec } from '../attention/multiHead';
import { layerNormSpec, linearSpec } from '../core/layerSpecs';

export type ClipLayerSizes = {
  size: number;
  innerSize: number;
  /** Query, key and value in one layer, as in BLIP; no by default. */
  fused?: boolean;
  /** Whether query, key and value have biases; by default yes. */
  attentionBias?: boolean;
};

/** A pre-norm layer under the names that CLIP and its relatives have for it in transformers. */
export function clipLayerSpec(key: string, { size, innerSize, fused = false, attentionBias = true }: ClipLayerSizes) {
  const at = `${key}.self_attn`;
  const names = {
    query: `${at}.q_proj`,
    key: `${at}.k_proj`,
    value: `${at}.v_proj`,
    output: `${at}.out_proj`,
  };
  return {
    attentionNorm: layerNormSpec(`${key}.layer_norm1`, size),
    attention: fused
      ? {
          queryKeyValue: linearSpec(`${at}.qkv`, size, 3 * size, { bias: attentionBias }),
          output: linearSpec(`${at}.projection`, size, size),
        }
      : multiHeadSpec(names, { querySize: size, bias: attentionBias }),
    feedForwardNorm: layerNormSpec(`${key}.layer_norm2`, size),
    up: linearSpec(`${key}.mlp.fc1`, size, innerSize),
    down: linearSpec(`${key}.mlp.fc2`, innerSize, size),
  };
}
