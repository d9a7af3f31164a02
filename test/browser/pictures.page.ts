import { toPixels } from '../../src/data/pixels';

/** The pixels of a picture as a page gets them: from its bytes, and from an element that shows it. */
export async function pixelsOf(url: string, alpha: 'white' | 'drop') {
  const blob = await (await fetch(url)).blob();
  const element = new Image();
  element.src = url;
  await element.decode();
  const plain = async (picture: Blob | HTMLImageElement) => {
    const { data, width, height } = await toPixels(picture, { alpha });
    return { data: [...data], width, height };
  };
  return { ofBlob: await plain(blob), ofElement: await plain(element) };
}
