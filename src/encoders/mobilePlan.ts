/** A block of MobileNet or EfficientNet: widen, filter every channel by itself, weigh the channels, narrow. */
export type MobileBlock = {
  inputs: number;
  /** Channels in between; as many as `inputs` where the block does not widen. */
  inner: number;
  outputs: number;
  kernel: 3 | 5;
  stride: 1 | 2;
  /** Channels that the weights of channels are computed from; 0 for blocks without them. */
  squeezed: number;
  activation: MobileActivation;
};

export type MobileActivation = 'relu' | 'relu6' | 'silu' | 'hardswish';

export type MobilePlan = {
  family: 'mobilenet-v2' | 'mobilenet-v3' | 'efficientnet';
  stem: number;
  /** By stage, as the libraries group them. */
  stages: MobileBlock[][];
  head: number;
  /** Of stem and head. */
  activation: MobileActivation;
  /** Between the two layers that weigh channels, and after them. */
  squeeze: { activation: 'relu' | 'silu'; gate: 'sigmoid' | 'hardsigmoid' };
};

/** The nearest multiple of 8, but not less than nine tenths. */
function wholeEights(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

/** Expansion, channels, repeats, first stride, kernel: table 1 of Tan and Le 2019. */
const EFFICIENTNET = [
  [1, 16, 1, 1, 3],
  [6, 24, 2, 2, 3],
  [6, 40, 2, 2, 5],
  [6, 80, 3, 2, 3],
  [6, 112, 3, 1, 5],
  [6, 192, 4, 2, 5],
  [6, 320, 1, 1, 3],
] as const;

/** The same of table 2 of Sandler et al. 2018. */
const MOBILENET_V2 = [
  [1, 16, 1, 1, 3],
  [6, 24, 2, 2, 3],
  [6, 32, 3, 2, 3],
  [6, 64, 4, 2, 3],
  [6, 96, 3, 1, 3],
  [6, 160, 3, 2, 3],
  [6, 320, 1, 1, 3],
] as const;

/** Kernel, inner channels, outputs, weighed or not, activation, stride: tables 1 and 2 of Howard et al. 2019. */
const MOBILENET_V3 = {
  large: [
    [3, 16, 16, false, 'relu', 1],
    [3, 64, 24, false, 'relu', 2],
    [3, 72, 24, false, 'relu', 1],
    [5, 72, 40, true, 'relu', 2],
    [5, 120, 40, true, 'relu', 1],
    [5, 120, 40, true, 'relu', 1],
    [3, 240, 80, false, 'hardswish', 2],
    [3, 200, 80, false, 'hardswish', 1],
    [3, 184, 80, false, 'hardswish', 1],
    [3, 184, 80, false, 'hardswish', 1],
    [3, 480, 112, true, 'hardswish', 1],
    [3, 672, 112, true, 'hardswish', 1],
    [5, 672, 160, true, 'hardswish', 2],
    [5, 960, 160, true, 'hardswish', 1],
    [5, 960, 160, true, 'hardswish', 1],
  ],
  small: [
    [3, 16, 16, true, 'relu', 2],
    [3, 72, 24, false, 'relu', 2],
    [3, 88, 24, false, 'relu', 1],
    [5, 96, 40, true, 'hardswish', 2],
    [5, 240, 40, true, 'hardswish', 1],
    [5, 240, 40, true, 'hardswish', 1],
    [5, 120, 48, true, 'hardswish', 1],
    [5, 144, 48, true, 'hardswish', 1],
    [5, 288, 96, true, 'hardswish', 2],
    [5, 576, 96, true, 'hardswish', 1],
    [5, 576, 96, true, 'hardswish', 1],
  ],
} as const;

/** Factors of channels and of repeats, and the side of the pictures that it was trained on. */
const SCALES = {
  'efficientnet-b0': [1, 1, 224],
  'efficientnet-b1': [1, 1.1, 240],
  'efficientnet-b2': [1.1, 1.2, 260],
  'efficientnet-b3': [1.2, 1.4, 300],
  'efficientnet-b4': [1.4, 1.8, 380],
  'efficientnet-lite0': [1, 1, 224],
  'efficientnet-lite1': [1, 1.1, 240],
  'efficientnet-lite2': [1.1, 1.2, 260],
  'efficientnet-lite3': [1.2, 1.4, 280],
  'efficientnet-lite4': [1.4, 1.8, 300],
} as const;

export const MOBILE_NAMES = [
  'mobilenet-v2-torch',
  'mobilenet-v3-large',
  'mobilenet-v3-small',
  ...(Object.keys(SCALES) as (keyof typeof SCALES)[]),
] as const;

export type MobileName = (typeof MOBILE_NAMES)[number];

/** The side in pixels of the pictures that a network was trained on. */
export const mobileImageSize = (name: MobileName) => (name in SCALES ? SCALES[name as keyof typeof SCALES][2] : 224);

export function mobilePlan(name: MobileName): MobilePlan {
  if (name === 'mobilenet-v2-torch') {
    const options = { stem: 32, head: 1280, activation: 'relu6', weighed: false } as const;
    return { ...repeated(MOBILENET_V2, options), family: 'mobilenet-v2' };
  }
  if (name === 'mobilenet-v3-large') return mobileNetV3('large', 960);
  if (name === 'mobilenet-v3-small') return mobileNetV3('small', 576);
  const [wide, deep] = SCALES[name];
  const lite = name.startsWith('efficientnet-lite');
  const rows = EFFICIENTNET.map(([expansion, channels, repeats, stride, kernel], stage) => {
    const scaled = lite && (stage === 0 || stage === EFFICIENTNET.length - 1) ? repeats : Math.ceil(repeats * deep);
    return [expansion, wholeEights(channels * wide), scaled, stride, kernel] as const;
  });
  return {
    ...repeated(rows, {
      stem: lite ? 32 : wholeEights(32 * wide),
      head: lite ? 1280 : wholeEights(1280 * wide),
      activation: lite ? 'relu6' : 'silu',
      weighed: !lite,
    }),
    family: 'efficientnet',
  };
}

function repeated(
  rows: readonly (readonly [expansion: number, channels: number, repeats: number, stride: 1 | 2, kernel: 3 | 5])[],
  { stem, head, activation, weighed }: Pick<MobilePlan, 'stem' | 'head' | 'activation'> & { weighed: boolean },
): Omit<MobilePlan, 'family'> {
  let inputs = stem;
  const stages = rows.map(([expansion, outputs, repeats, first, kernel]) =>
    Array.from({ length: repeats }, (_, index): MobileBlock => {
      const squeezed = weighed ? Math.max(1, Math.floor(inputs / 4)) : 0;
      const stride = index === 0 ? first : 1;
      const block = { inputs, inner: inputs * expansion, outputs, kernel, stride, squeezed, activation };
      inputs = outputs;
      return block;
    }),
  );
  return { stem, stages, head, activation, squeeze: { activation: 'silu', gate: 'sigmoid' } };
}

function mobileNetV3(size: keyof typeof MOBILENET_V3, head: number): MobilePlan {
  const stem = 16;
  let inputs = stem;
  const stages: MobileBlock[][] = [];
  for (const [kernel, inner, outputs, weighed, activation, stride] of MOBILENET_V3[size]) {
    const squeezed = weighed ? wholeEights(Math.floor(inner / 4)) : 0;
    const block = { inputs, inner, outputs, kernel, stride, squeezed, activation };
    if (outputs === inputs && stages.length > 0) stages.at(-1)!.push(block);
    else stages.push([block]);
    inputs = outputs;
  }
  const squeeze = { activation: 'relu', gate: 'hardsigmoid' } as const;
  return { family: 'mobilenet-v3', stem, stages, head, activation: 'hardswish', squeeze };
}
