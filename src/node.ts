export { attentionPicture } from './node/attentionPicture';
export { type LoadCaptionDataOptions, loadCaptionData } from './node/captionData';
export { directory } from './node/directory';
export { type LoadEncoderOptions, loadEncoder } from './node/encoders';
export { featureCache } from './node/featureCache';
export { type ReadImageOptions, readImage } from './node/image';
