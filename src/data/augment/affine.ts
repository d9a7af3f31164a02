import type { PixelImage } from '../types';

/** Where a pixel's colour comes from: x' = a x + b y + c, y' = d x + e y + f, in pixels from the upper left corner. */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export type Colour = readonly [red: number, green: number, blue: number];

/**
 * Every pixel from its place in the picture: the nearest one, or between the four around it; `fill` where that is outside.
 *
 * @see PIL, `Image.transform(size, AFFINE, matrix, resample, fillcolor)`: pixels have their centres at halves, and values are cut off
 */
export function transformAffine(
  image: PixelImage,
  [a, b, c, d, e, f]: Affine,
  filter: 'nearest' | 'bilinear',
  fill: Colour = [0, 0, 0],
): PixelImage {
  const { data, width, height } = image;
  const turned = new Uint8Array(data.length);
  const sixteenBits = (value: number) => Math.floor(value * 65536 + 0.5) / 65536;
  const exact = (value: number) => value;
  // PIL looks for the nearest pixel in fixed point; what that rounds away decides between neighbours.
  const rounded = filter === 'nearest' ? sixteenBits : exact;
  const [xx, xy, x0] = [rounded(a), rounded(b), rounded(a / 2 + b / 2 + c)];
  const [yx, yy, y0] = [rounded(d), rounded(e), rounded(d / 2 + e / 2 + f)];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const fromX = xx * x + xy * y + x0;
      const fromY = yx * x + yy * y + y0;
      const at = 3 * (y * width + x);
      if (!(fromX >= 0 && fromX < width && fromY >= 0 && fromY < height)) turned.set(fill, at);
      else if (filter === 'nearest') {
        const from = 3 * (Math.floor(fromY) * width + Math.floor(fromX));
        for (let channel = 0; channel < 3; channel++) turned[at + channel] = data[from + channel]!;
      } else bilinear(image, fromX - 0.5, fromY - 0.5, turned, at);
    }
  return { data: turned, width, height, channels: 3 };
}

/** The colour between four pixels; beyond the outer centres that of the edge. */
function bilinear({ data, width, height }: PixelImage, x: number, y: number, to: Uint8Array, at: number): void {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [across, down] = [x - left, y - top];
  const clamped = (place: number, size: number) => Math.max(0, Math.min(size - 1, place));
  const [x0, x1] = [clamped(left, width), clamped(left + 1, width)];
  const [y0, y1] = [clamped(top, height), clamped(top + 1, height)];
  for (let c = 0; c < 3; c++) {
    const pixel = (x: number, y: number) => data[3 * (y * width + x) + c]!;
    const upper = pixel(x0, y0) + (pixel(x1, y0) - pixel(x0, y0)) * across;
    const lower = pixel(x0, y1) + (pixel(x1, y1) - pixel(x0, y1)) * across;
    to[at + c] = Math.trunc(upper + (lower - upper) * down);
  }
}

/** Turns a picture around its middle. @param degrees - counter-clockwise. @see PIL, `Image.rotate` */
export function rotatePixels(
  image: PixelImage,
  degrees: number,
  filter: 'nearest' | 'bilinear' = 'bilinear',
  fill?: Colour,
): PixelImage {
  const [cosine, sine] = [Math.cos, Math.sin].map((of) => Number(of((-degrees * Math.PI) / 180).toFixed(15))) as [
    number,
    number,
  ];
  const [x, y] = [image.width / 2, image.height / 2];
  const matrix: Affine = [cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y];
  return transformAffine(image, matrix, filter, fill);
}
