import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { onHeap } from './heap';
import { transposeMatrix } from './transpose';

type ConvInfo = tf.backend_util.Conv2DInfo;
type Attrs = {
  strides: number | [number, number];
  pad: Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  dataFormat?: 'NHWC' | 'NCHW';
  dilations?: number | [number, number];
};
type Shape4D = [number, number, number, number];

function convInfo(input: Shape4D, filter: Shape4D, attrs: Attrs, depthwise: boolean): ConvInfo {
  if (attrs.dataFormat === 'NCHW') throw new Error('Gradients of convolutions on wasm take NHWC only, not NCHW.');
  const { strides, dilations = 1, pad, dimRoundingMode } = attrs;
  const info = tf.backend_util.computeConv2DInfo(input, filter, strides, dilations, pad, dimRoundingMode, depthwise);
  if (info.dilationHeight !== 1 || info.dilationWidth !== 1)
    throw new Error('Gradients of dilated convolutions are not there on wasm, nor on any other backend.');
  return info;
}

/** Zeroes around the image, or rows and columns cut off where a number is negative. */
function padOrCrop(x: tf.Tensor4D, top: number, bottom: number, left: number, right: number): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const cut = (side: number) => Math.max(0, -side);
  const add = (side: number) => Math.max(0, side);
  const kept =
    Math.min(top, bottom, left, right) < 0
      ? tf.slice(
          x,
          [0, cut(top), cut(left), 0],
          [batch, height - cut(top) - cut(bottom), width - cut(left) - cut(right), channels],
        )
      : x;
  if (Math.max(top, bottom, left, right) <= 0) return kept;
  return tf.pad(kept, [
    [0, 0],
    [add(top), add(bottom)],
    [add(left), add(right)],
    [0, 0],
  ]);
}

/** Puts stride - 1 zeroes behind every row and column: [batch, h, w, c] -> [batch, h * strideHeight, w * strideWidth, c]. */
function spread(dy: tf.Tensor4D, { strideHeight, strideWidth }: ConvInfo): tf.Tensor4D {
  const [batch, height, width, channels] = dy.shape;
  if (strideHeight === 1 && strideWidth === 1) return dy;
  // A column and the zeroes behind it are one longer column.
  const spaced = tf.pad(tf.reshape(dy, [batch * height, 1, width, channels]), [
    [0, 0],
    [0, strideHeight - 1],
    [0, 0],
    [0, (strideWidth - 1) * channels],
  ]);
  return tf.reshape(spaced, [batch, height * strideHeight, width * strideWidth, channels]);
}

/** The filter turned by half a turn. (`tf.reverse` finds every value by its own index on wasm, twenty times slower.) */
function mirror(filter: tf.Tensor4D): tf.Tensor4D {
  const taps = filter.shape[0] * filter.shape[1];
  const backwards = tf.tensor1d(
    Int32Array.from({ length: taps }, (_, i) => taps - 1 - i),
    'int32',
  );
  return tf.reshape(tf.gather(tf.reshape(filter, [taps, -1]), backwards), filter.shape);
}

/** dy such that a plain convolution of it ('valid', stride 1) with the mirrored filter gives the gradient of the input. */
function aroundForInput(dy: tf.Tensor4D, info: ConvInfo): tf.Tensor4D {
  const { inHeight, inWidth, filterHeight, filterWidth, padInfo } = info;
  const apart = spread(dy, info);
  const [, height, width] = apart.shape;
  const [top, left] = [filterHeight - 1 - padInfo.top, filterWidth - 1 - padInfo.left];
  const bottom = inHeight + filterHeight - 1 - top - height;
  const right = inWidth + filterWidth - 1 - left - width;
  return padOrCrop(apart, top, bottom, left, right);
}

/** The input with its padding, cut to the rows and columns that some output has read. */
function readPart(x: tf.Tensor4D, info: ConvInfo): tf.Tensor4D {
  const { inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth, strideHeight, strideWidth } = info;
  const { top, left } = info.padInfo;
  const bottom = (outHeight - 1) * strideHeight + filterHeight - inHeight - top;
  const right = (outWidth - 1) * strideWidth + filterWidth - inWidth - left;
  return padOrCrop(x, top, bottom, left, right);
}

/** A 1x1 convolution with stride 1 is one product over all positions. */
function isProduct(info: ConvInfo): boolean {
  const { inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth } = info;
  return filterHeight === 1 && filterWidth === 1 && inHeight === outHeight && inWidth === outWidth;
}

/** Conv2DBackpropInput: wasm has one, but as a plain loop, ten times slower than its convolution. */
export const convInputGradient: tf.KernelFunc = ({ inputs, attrs }) => {
  const { dy, filter } = inputs as { dy: tf.Tensor4D; filter: tf.Tensor4D };
  const { inputShape } = attrs as unknown as { inputShape: Shape4D };
  const info = convInfo(inputShape, filter.shape, attrs as unknown as Attrs, false);
  return tf.tidy(() => {
    if (isProduct(info)) {
      const weight = tf.reshape(filter, [info.inChannels, info.outChannels]);
      return tf.reshape(tf.matMul(tf.reshape(dy, [-1, info.outChannels]), weight, false, true), inputShape);
    }
    const mirrored = tf.transpose(mirror(filter), [0, 1, 3, 2]);
    return tf.conv2d(aroundForInput(dy, info), mirrored as tf.Tensor4D, 1, 'valid');
  });
};

/** Values that are laid out at a time for the gradient of a filter: 64 MB. */
const MOST_PATCH_VALUES = 2 ** 24;

/** Conv2DBackpropFilter, as the product of the patches that the filter saw with dy, over all places of all pictures. */
export const convFilterGradient: tf.KernelFunc = ({ inputs, attrs, backend }) => {
  const { x, dy } = inputs as { x: tf.Tensor4D; dy: tf.Tensor4D };
  const { filterShape } = attrs as unknown as { filterShape: Shape4D };
  const info = convInfo(x.shape, filterShape, attrs as unknown as Attrs, false);
  const { batchSize, inChannels, outChannels, outHeight, outWidth } = info;
  return tf.tidy(() => {
    const grads = tf.reshape(dy, [-1, outChannels]);
    if (isProduct(info)) {
      return tf.reshape(tf.matMul(tf.reshape(x, [-1, inChannels]), grads, true, false), filterShape);
    }
    const image = readPart(x, info);
    const places = outHeight * outWidth;
    const patchSize = tf.util.sizeFromShape(filterShape.slice(0, 3));
    const atOnce = Math.max(1, Math.floor(MOST_PATCH_VALUES / (patchSize * places)));
    let sum: tf.Tensor | undefined;
    for (let first = 0; first < batchSize; first += atOnce) {
      const count = Math.min(atOnce, batchSize - first);
      const part = tf.tidy(() => {
        const patches = patchRows(backend as BackendWasm, image, first, count, info);
        return tf.matMul(patches, tf.slice(grads, [first * places, 0], [count * places, outChannels]));
      });
      sum = sum ? tf.add(sum, part) : part;
    }
    return tf.reshape(sum!, filterShape);
  });
};

/**
 * What each weight of the filter was multiplied with in `count` pictures:
 * [filterHeight * filterWidth * inChannels, count * outHeight * outWidth].
 */
function patchRows(wasm: BackendWasm, image: tf.Tensor4D, first: number, count: number, info: ConvInfo): tf.Tensor2D {
  const { filterHeight, filterWidth, inChannels, outHeight, outWidth, strideHeight, strideWidth } = info;
  const [, height, width] = image.shape;
  const columns = count * outHeight * outWidth;
  const out = wasm.makeOutput([filterHeight * filterWidth * inChannels, columns], 'float32');
  const { heap, at } = onHeap(wasm, image, out);
  for (let row = 0; row < filterHeight; row++)
    for (let column = 0; column < filterWidth; column++)
      for (let line = 0; line < count * outHeight; line++) {
        const picture = first + Math.floor(line / outHeight);
        const y = (line % outHeight) * strideHeight + row;
        const from = at[0]! + ((picture * height + y) * width + column) * inChannels;
        const to = at[1]! + (row * filterWidth + column) * inChannels * columns + line * outWidth;
        transposeMatrix(heap, from, strideWidth * inChannels, to, columns, outWidth, inChannels);
      }
  return tf.engine().makeTensorFromTensorInfo(out) as tf.Tensor2D;
}

/** DepthwiseConv2dNativeBackpropInput, as a depthwise convolution of dy with the mirrored filter. */
export const depthwiseInputGradient: tf.KernelFunc = ({ inputs, attrs }) => {
  const { dy, filter } = inputs as { dy: tf.Tensor4D; filter: tf.Tensor4D };
  const { inputShape } = attrs as unknown as { inputShape: Shape4D };
  const info = convInfo(inputShape, filter.shape, attrs as unknown as Attrs, true);
  const [filterHeight, filterWidth, inChannels, multiplier] = filter.shape;
  return tf.tidy(() => {
    const perOutput = tf.reshape(filter, [filterHeight, filterWidth, inChannels * multiplier, 1] as Shape4D);
    const gradient = tf.depthwiseConv2d(aroundForInput(dy, info), mirror(perOutput as tf.Tensor4D), 1, 'valid');
    if (multiplier === 1) return gradient;
    return tf.sum(tf.reshape(gradient, [...inputShape, multiplier]), -1);
  });
};

/** DepthwiseConv2dNativeBackpropFilter, straight from its definition. */
export const depthwiseFilterGradient: tf.KernelFunc = ({ inputs, attrs, backend }) => {
  const { x, dy } = inputs as { x: tf.Tensor4D; dy: tf.Tensor4D };
  const { filterShape } = attrs as unknown as { filterShape: Shape4D };
  const info = convInfo(x.shape, filterShape, attrs as unknown as Attrs, true);
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, strideHeight, strideWidth } =
    info;
  const { top, left } = info.padInfo;
  const wasm = backend as BackendWasm;
  const out = wasm.makeOutput(filterShape, 'float32');
  const { heap, at } = onHeap(wasm, x, dy, out);
  const [input, grads, sums] = at as [number, number, number];
  heap.fill(0, sums, sums + tf.util.sizeFromShape(filterShape));
  const multiplier = outChannels / inChannels;
  const step = strideWidth * inChannels;
  for (let line = 0; line < batchSize * outHeight; line++)
    for (let row = 0; row < info.filterHeight; row++) {
      const y = (line % outHeight) * strideHeight + row - top;
      if (y < 0 || y >= inHeight) continue;
      const inputLine = input + (Math.floor(line / outHeight) * inHeight + y) * inWidth * inChannels;
      for (let column = 0; column < info.filterWidth; column++) {
        // The places [first, end) of this line whose input lies inside of the picture.
        const first = Math.max(0, Math.ceil((left - column) / strideWidth));
        const end = Math.min(outWidth, Math.floor((inWidth - 1 - column + left) / strideWidth) + 1);
        const from = inputLine + (first * strideWidth + column - left) * inChannels;
        const to = sums + (row * info.filterWidth + column) * outChannels;
        for (let channel = 0; channel < outChannels; channel++) {
          let [sum, a, b] = [
            0,
            from + Math.floor(channel / multiplier),
            grads + (line * outWidth + first) * outChannels + channel,
          ];
          for (let place = first; place < end; place++, a += step, b += outChannels) sum += heap[a]! * heap[b]!;
          heap[to + channel]! += sum;
        }
      }
    }
  return out;
};
