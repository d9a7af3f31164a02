/**
 * Where the parameters of `AttentionLSTMDecoder` (one layer) stand in the `state_dict` of the usual PyTorch
 * implementation of "Show, Attend and Tell". PyTorch's weights are [out, in]: all of two axes but the embedding are
 * transposed.
 */
export const attentionLSTMStateDict: Readonly<Record<string, string>> = {
  embedding: 'embedding.weight',
  'attention.features.weight': 'att_feat.weight',
  'attention.features.bias': 'att_feat.bias',
  'attention.query.weight': 'att_hid.weight',
  'attention.query.bias': 'att_hid.bias',
  'attention.score.weight': 'att_v.weight',
  'attention.score.bias': 'att_v.bias',
  'init.0.hidden.weight': 'init_h.weight',
  'init.0.hidden.bias': 'init_h.bias',
  'init.0.cell.weight': 'init_c.weight',
  'init.0.cell.bias': 'init_c.bias',
  'lstm.0.input': 'lstm.weight_ih',
  'lstm.0.hidden': 'lstm.weight_hh',
  'lstm.0.inputBias': 'lstm.bias_ih',
  'lstm.0.hiddenBias': 'lstm.bias_hh',
  'contextGate.weight': 'f_beta.weight',
  'contextGate.bias': 'f_beta.bias',
  'output.weight': 'fc.weight',
  'output.bias': 'fc.bias',
};

/** With deep output: the layers are called as in the paper. */
export const deepOutputStateDict: Readonly<Record<string, string>> = {
  'output.weight': 'L_o.weight',
  'output.bias': 'L_o.bias',
  'deepOutput.hidden.weight': 'L_h.weight',
  'deepOutput.hidden.bias': 'L_h.bias',
  'deepOutput.context': 'L_z.weight',
};
