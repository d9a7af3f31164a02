import type { MobileBlock, MobilePlan } from './mobilePlan';

type ConvNormKeys = { conv: string; norm: string };

/** Names of the layers of a block; those of layers that it does not have are not asked for. */
export type MobileBlockKeys = {
  widen: ConvNormKeys;
  depthwise: ConvNormKeys;
  reduce: string;
  expand: string;
  narrow: ConvNormKeys;
};

export type MobileKeys = {
  stem: ConvNormKeys;
  block(stage: number, index: number): MobileBlockKeys;
  head: ConvNormKeys;
};

export type MobileNaming = 'torchvision' | 'timm';

/** What published checkpoints of a network call its layers. */
export function mobileKeys(plan: MobilePlan, naming: MobileNaming): MobileKeys {
  return naming === 'timm' ? timmKeys(plan) : torchvisionKeys(plan);
}

const widens = ({ inner, inputs }: MobileBlock) => inner !== inputs;

function torchvisionKeys({ family, stages }: MobilePlan): MobileKeys {
  const pair = (at: string): ConvNormKeys => ({ conv: `${at}.0`, norm: `${at}.1` });
  const before = (stage: number) => stages.slice(0, stage).reduce((sum, blocks) => sum + blocks.length, 0);
  const last = family === 'efficientnet' ? stages.length : before(stages.length);
  return {
    stem: pair('features.0'),
    head: pair(`features.${last + 1}`),
    block(stage, index) {
      const block = stages[stage]![index]!;
      const at = family === 'efficientnet' ? `features.${stage + 1}.${index}` : `features.${before(stage) + index + 1}`;
      const inside = family === 'mobilenet-v2' ? `${at}.conv` : `${at}.block`;
      const first = widens(block) ? 1 : 0;
      const weighed = first + 1;
      const narrow = weighed + (block.squeezed > 0 ? 1 : 0);
      return {
        widen: pair(`${inside}.0`),
        depthwise: pair(`${inside}.${first}`),
        reduce: `${inside}.${weighed}.fc1`,
        expand: `${inside}.${weighed}.fc2`,
        narrow:
          family === 'mobilenet-v2'
            ? { conv: `${inside}.${narrow}`, norm: `${inside}.${narrow + 1}` }
            : pair(`${inside}.${narrow}`),
      };
    },
  };
}

function timmKeys({ family, stages }: MobilePlan): MobileKeys {
  const last = `blocks.${stages.length}.0`;
  return {
    stem: { conv: 'conv_stem', norm: 'bn1' },
    head:
      family === 'mobilenet-v3' ? { conv: `${last}.conv`, norm: `${last}.bn1` } : { conv: 'conv_head', norm: 'bn2' },
    block(stage, index) {
      const at = `blocks.${stage}.${index}`;
      const wide = widens(stages[stage]![index]!);
      return {
        widen: { conv: `${at}.conv_pw`, norm: `${at}.bn1` },
        depthwise: { conv: `${at}.conv_dw`, norm: `${at}.${wide ? 'bn2' : 'bn1'}` },
        reduce: `${at}.se.conv_reduce`,
        expand: `${at}.se.conv_expand`,
        narrow: wide ? { conv: `${at}.conv_pwl`, norm: `${at}.bn3` } : { conv: `${at}.conv_pw`, norm: `${at}.bn2` },
      };
    },
  };
}
