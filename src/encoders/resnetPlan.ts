/** What decides the shape of a residual network; plain, so that a checkpoint can hold it. */
export type ResNetShape = {
  /** Two 3 x 3 convolutions, or three of which the middle one is 3 x 3. */
  block: 'basic' | 'bottleneck';
  /** Blocks in each stage. */
  depths: readonly number[];
  /** Channels after each stage. */
  channels: readonly number[];
  /** Channels between the convolutions of a block, in each stage. */
  innerChannels: readonly number[];
  /** Channels after each convolution of the stem: one of 7 x 7, or several of 3 x 3. */
  stem: readonly number[];
  /** By how much each stage makes the grid smaller. */
  strides: readonly number[];
  /** Stages that keep the grid and spread their kernels instead of striding; none by default. */
  dilated?: readonly boolean[];
  /** Groups of the middle convolution; 1 by default. */
  groups?: number;
  /** Whether the first convolution of a bottleneck strides, not the middle one; no by default. */
  strideFirst?: boolean;
  /** Whether the shortcut averages before a 1 x 1 convolution, instead of striding; no by default. */
  averageShortcut?: boolean;
};

export type BlockPlan = {
  inputs: number;
  inner: number;
  outputs: number;
  stride: number;
  /** Of the 3 x 3 convolution. */
  dilation: number;
  /** Whether the shortcut has a convolution of its own. */
  projected: boolean;
};

/** Every block of every stage. */
export function blockPlans(shape: ResNetShape): BlockPlan[][] {
  let inputs = shape.stem.at(-1)!;
  let dilation = 1;
  return shape.depths.map((depth, stage) => {
    const outputs = shape.channels[stage]!;
    const before = dilation;
    let stride = shape.strides[stage]!;
    if (shape.dilated?.[stage]) {
      dilation *= stride;
      stride = 1;
    }
    return Array.from({ length: depth }, (_, index) => {
      const first = index === 0;
      const plan: BlockPlan = {
        inputs,
        inner: shape.innerChannels[stage]!,
        outputs,
        stride: first ? stride : 1,
        dilation: first ? before : dilation,
        projected: first && (stride !== 1 || inputs !== outputs),
      };
      inputs = outputs;
      return plan;
    });
  });
}

/** Rows or columns after the stem and after every stage, of `size` pixels. */
export function gridSides(shape: ResNetShape, size: number): number[] {
  const sides = [halved(halved(size))];
  for (const [stage, stride] of shape.strides.entries())
    sides.push(shape.dilated?.[stage] || stride === 1 ? sides.at(-1)! : Math.ceil(sides.at(-1)! / stride));
  return sides;
}

const halved = (size: number) => Math.ceil(size / 2);

type Preset = { block: ResNetShape['block']; depths: number[]; deep?: boolean; groups?: number; width?: number };

/** The published ones. Those with a `d` have a stem of three convolutions and averaging shortcuts. */
const PRESETS = {
  resnet18: { block: 'basic', depths: [2, 2, 2, 2] },
  resnet34: { block: 'basic', depths: [3, 4, 6, 3] },
  resnet50: { block: 'bottleneck', depths: [3, 4, 6, 3] },
  resnet101: { block: 'bottleneck', depths: [3, 4, 23, 3] },
  resnet152: { block: 'bottleneck', depths: [3, 8, 36, 3] },
  resnet18d: { block: 'basic', depths: [2, 2, 2, 2], deep: true },
  resnet34d: { block: 'basic', depths: [3, 4, 6, 3], deep: true },
  resnet50d: { block: 'bottleneck', depths: [3, 4, 6, 3], deep: true },
  resnet101d: { block: 'bottleneck', depths: [3, 4, 23, 3], deep: true },
  resnet152d: { block: 'bottleneck', depths: [3, 8, 36, 3], deep: true },
  resnext50_32x4d: { block: 'bottleneck', depths: [3, 4, 6, 3], groups: 32, width: 4 },
  resnext101_32x8d: { block: 'bottleneck', depths: [3, 4, 23, 3], groups: 32, width: 8 },
  wide_resnet50_2: { block: 'bottleneck', depths: [3, 4, 6, 3], width: 128 },
  wide_resnet101_2: { block: 'bottleneck', depths: [3, 4, 23, 3], width: 128 },
} satisfies Record<string, Preset>;

export type ResNetName = keyof typeof PRESETS;

export const RESNET_NAMES = Object.keys(PRESETS) as ResNetName[];

/** The shape of a published network by its name in torchvision and timm. */
export function resNetShape(name: ResNetName): ResNetShape {
  const { block, depths, deep = false, groups = 1, width = 64 }: Preset = PRESETS[name];
  const planes = [64, 128, 256, 512];
  return {
    block,
    depths,
    ...widths({ block, planes, width, groups }),
    stem: deep ? [32, 32, 64] : [64],
    strides: [1, 2, 2, 2],
    groups,
    averageShortcut: deep,
  };
}

/** Channels as torchvision and timm compute them, from the `planes` of each stage and the width of 64 planes per group. */
export function widths(of: {
  block: ResNetShape['block'];
  planes: number[];
  width: number;
  groups: number;
  expansion?: number;
}) {
  const { block, planes, width, groups, expansion = block === 'basic' ? 1 : 4 } = of;
  return {
    channels: planes.map((count) => count * expansion),
    innerChannels: planes.map((count) => (block === 'basic' ? count : Math.floor(count * (width / 64)) * groups)),
  };
}
