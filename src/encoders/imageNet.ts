import type { Preprocessing } from './types';

const MEAN = [0.485, 0.456, 0.406] as const;
const DEVIATION = [0.229, 0.224, 0.225] as const;

/** Pictures as torchvision's networks want them: the middle of the picture, of the mean and the deviation of ImageNet. */
export function imageNetPreprocessing([height, width]: readonly [height: number, width: number]): Preprocessing {
  const square = height === width;
  return {
    size: [height, width],
    // 256 for 224, as in the published evaluations.
    ...(square
      ? { resize: { shortestEdge: Math.round((height * 8) / 7) }, crop: 'round' as const }
      : { resize: 'squash' as const }),
    filter: 'bilinear',
    mean: MEAN.map((mean) => mean * 255) as [number, number, number],
    scale: DEVIATION.map((deviation) => 1 / (255 * deviation)) as [number, number, number],
  };
}

/** Pictures as Keras's VGG wants them, whole: the mean of ImageNet taken away, and nothing scaled. */
export function caffePreprocessing([height, width]: readonly [height: number, width: number]): Preprocessing {
  return { size: [height, width], resize: 'squash', filter: 'bilinear', mean: [123.68, 116.779, 103.939], scale: 1 };
}

/** Pictures from -1 to 1, as TensorFlow's networks want them. */
export function symmetricPreprocessing([height, width]: readonly [height: number, width: number]): Preprocessing {
  return { size: [height, width], resize: 'squash', filter: 'bilinear', mean: 127.5, scale: 1 / 127.5 };
}
