/** A convolution with batch norm and ReLU. At stride 1 the size stays but where `valid`; at stride 2 nothing is padded. */
export type Layer = {
  name: string;
  outputs: number;
  kernel: readonly [height: number, width: number];
  stride: 1 | 2;
  valid: boolean;
};

/** Layers one after the other; `fork` are layers side by side after the last of them. */
export type Branch = { pool?: 'average' | 'max'; layers: Layer[]; fork?: Layer[] };

/** Branches side by side, whose outputs are joined. */
export type Block = { name: string; branches: Branch[] };

type Size = number | readonly [number, number];

const layer = (
  name: string,
  outputs: number,
  size: Size = 1,
  { stride = 1, valid = false }: Partial<Layer> = {},
): Layer => ({
  name,
  outputs,
  kernel: typeof size === 'number' ? [size, size] : size,
  stride,
  valid: valid || stride === 2,
});

/** Layers of a branch that are numbered from 1 on. */
const numbered = (name: string, ...of: [outputs: number, size?: Size, stride?: 1 | 2][]): Layer[] =>
  of.map(([outputs, size, stride = 1], index) => layer(`${name}_${index + 1}`, outputs, size, { stride }));

const pooled = (outputs: number): Branch => ({ pool: 'average', layers: [layer('branch_pool', outputs)] });

const blockA = (name: string, poolOutputs: number): Block => ({
  name,
  branches: [
    { layers: [layer('branch1x1', 64)] },
    { layers: numbered('branch5x5', [48], [64, 5]) },
    { layers: numbered('branch3x3dbl', [64], [96, 3], [96, 3]) },
    pooled(poolOutputs),
  ],
});

const blockB: Block = {
  name: 'Mixed_6a',
  branches: [
    { layers: [layer('branch3x3', 384, 3, { stride: 2 })] },
    { layers: numbered('branch3x3dbl', [64], [96, 3], [96, 3, 2]) },
    { pool: 'max', layers: [] },
  ],
};

const [WIDE, TALL] = [
  [1, 7],
  [7, 1],
] as const;

const blockC = (name: string, inner: number): Block => ({
  name,
  branches: [
    { layers: [layer('branch1x1', 192)] },
    { layers: numbered('branch7x7', [inner], [inner, WIDE], [192, TALL]) },
    { layers: numbered('branch7x7dbl', [inner], [inner, TALL], [inner, WIDE], [inner, TALL], [192, WIDE]) },
    pooled(192),
  ],
});

const blockD: Block = {
  name: 'Mixed_7a',
  branches: [
    { layers: numbered('branch3x3', [192], [320, 3, 2]) },
    { layers: numbered('branch7x7x3', [192], [192, WIDE], [192, TALL], [192, 3, 2]) },
    { pool: 'max', layers: [] },
  ],
};

const blockE = (name: string): Block => ({
  name,
  branches: [
    { layers: [layer('branch1x1', 320)] },
    {
      layers: [layer('branch3x3_1', 384)],
      fork: [layer('branch3x3_2a', 384, [1, 3]), layer('branch3x3_2b', 384, [3, 1])],
    },
    {
      layers: [layer('branch3x3dbl_1', 448), layer('branch3x3dbl_2', 384, 3)],
      fork: [layer('branch3x3dbl_3a', 384, [1, 3]), layer('branch3x3dbl_3b', 384, [3, 1])],
    },
    pooled(192),
  ],
});

/** The layers before the blocks; a max pooling follows the third and the last. */
export const STEM: Layer[] = [
  layer('Conv2d_1a_3x3', 32, 3, { stride: 2 }),
  layer('Conv2d_2a_3x3', 32, 3, { valid: true }),
  layer('Conv2d_2b_3x3', 64, 3),
  layer('Conv2d_3b_1x1', 80),
  layer('Conv2d_4a_3x3', 192, 3, { valid: true }),
];
export const POOLED_AFTER = ['Conv2d_2b_3x3', 'Conv2d_4a_3x3'];

/** The blocks of every stage after the stem, table 1 of the paper; in the order in which both libraries make their layers. */
export const STAGES: Block[][] = [
  [blockA('Mixed_5b', 32), blockA('Mixed_5c', 64), blockA('Mixed_5d', 64)],
  [blockB, blockC('Mixed_6b', 128), blockC('Mixed_6c', 160), blockC('Mixed_6d', 160), blockC('Mixed_6e', 192)],
  [blockD, blockE('Mixed_7b'), blockE('Mixed_7c')],
];

/** Channels after the stem and after every stage. */
export const CHANNELS = [192, 288, 768, 2048];

/** Rows or columns after the stem and after every stage. */
export function inceptionSides(pixels: number): number[] {
  const halved = (side: number) => Math.floor((side - 3) / 2) + 1;
  const stem = halved(halved(halved(pixels) - 2) - 2);
  return [stem, stem, halved(stem), halved(halved(stem))];
}
