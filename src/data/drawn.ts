import { UsageError } from '../core/errors';
import type { Image, PixelImage } from './types';

/** What a browser can draw. */
export type Drawable = Exclude<Image, PixelImage | ImageData>;

/**
 * The pixels of what a browser can draw, RGBA: upright by its EXIF orientation, without its colour profile, and with the
 * colours that transparent parts have in the file.
 *
 * @throws what the browser throws where the picture does not decode or belongs to another site
 */
export async function drawnPixels(image: Drawable): Promise<PixelImage> {
  const bitmap = await createImageBitmap(image, {
    imageOrientation: 'from-image',
    premultiplyAlpha: 'none',
    colorSpaceConversion: 'none',
  });
  try {
    const drawn = onCanvas(bitmap);
    // A canvas keeps colours multiplied by alpha, so those of transparent parts are rounded, or lost.
    return isOpaque(drawn) ? drawn : (byGraphics(bitmap) ?? drawn);
  } finally {
    bitmap.close();
  }
}

function onCanvas(bitmap: ImageBitmap): PixelImage {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) throw new UsageError('This browser has no 2D canvas, so it cannot read pictures. Pass pixels instead.');
  context.drawImage(bitmap, 0, 0);
  return { data: context.getImageData(0, 0, width, height).data, width, height, channels: 4 };
}

function isOpaque({ data }: PixelImage): boolean {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}

/** The pixels as a texture has them, which is not multiplied by alpha; undefined where there is no WebGL or too little of it. */
function byGraphics(bitmap: ImageBitmap): PixelImage | undefined {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext('webgl');
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return undefined;
  try {
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(
      gl.FRAMEBUFFER,
      gl.COLOR_ATTACHMENT0,
      gl.TEXTURE_2D,
      gl.getParameter(gl.TEXTURE_BINDING_2D),
      0,
    );
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return undefined;
    const data = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
    return gl.getError() === gl.NO_ERROR ? { data, width, height, channels: 4 } : undefined;
  } finally {
    // Browsers allow few contexts at a time, and this one is done.
    gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}
