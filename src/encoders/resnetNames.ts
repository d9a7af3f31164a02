/** Whose names the parameters have: torchvision's, which are also timm's, or those of Hugging Face transformers. */
export type ResNetNaming = 'torchvision' | 'huggingface';

type ConvNormKeys = { conv: string; norm: string };

/** The names of parameters in published checkpoints. */
export type ResNetKeys = {
  stem(index: number, count: number): ConvNormKeys;
  block(stage: number, block: number, conv: number): ConvNormKeys;
  /** @param averaged - whether the shortcut averages first */
  shortcut(stage: number, block: number, averaged: boolean): ConvNormKeys;
  head: string;
};

const torchvision: ResNetKeys = {
  // A stem of several convolutions is a sequence of convolution, norm, activation, but for the last norm.
  stem: (index, count) =>
    count === 1
      ? { conv: 'conv1', norm: 'bn1' }
      : { conv: `conv1.${3 * index}`, norm: index === count - 1 ? 'bn1' : `conv1.${3 * index + 1}` },
  block: (stage, block, conv) => {
    const at = `layer${stage + 1}.${block}`;
    return { conv: `${at}.conv${conv + 1}`, norm: `${at}.bn${conv + 1}` };
  },
  shortcut: (stage, block, averaged) => {
    const at = `layer${stage + 1}.${block}.downsample`;
    return averaged ? { conv: `${at}.1`, norm: `${at}.2` } : { conv: `${at}.0`, norm: `${at}.1` };
  },
  head: 'fc',
};

const pair = (at: string): ConvNormKeys => ({ conv: `${at}.convolution`, norm: `${at}.normalization` });

const huggingface: ResNetKeys = {
  stem: () => pair('resnet.embedder.embedder'),
  block: (stage, block, conv) => pair(`resnet.encoder.stages.${stage}.layers.${block}.layer.${conv}`),
  shortcut: (stage, block) => pair(`resnet.encoder.stages.${stage}.layers.${block}.shortcut`),
  head: 'classifier.1',
};

export const resNetKeys: Record<ResNetNaming, ResNetKeys> = { torchvision, huggingface };
