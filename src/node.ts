export { attentionPicture } from './node/attentionPicture';
export { type AugmentThreads, type AugmentThreadsOptions, augmentThreads } from './node/augmentThreads';
export {
  type LayoutName,
  type LoadCaptionDataOptions,
  loadCaptionData,
  type StreamCaptionDataOptions,
  streamCaptionData,
} from './node/captionData';
export { directory } from './node/directory';
export { type Downloaded, type DownloadOptions, downloadPictures, type PictureFormat } from './node/downloadPictures';
export { type LoadEncoderOptions, loadEncoder } from './node/encoders';
export { type EventFile, eventFile } from './node/eventFile';
export { type FeatureFolders, featureCache, featureFolder } from './node/featureCache';
export { type ReadImageOptions, readImage } from './node/image';
export { languageDetector } from './node/languageDetector';
export { type DataParallel, type DataParallelOptions, dataParallel } from './node/parallel/dataParallel';
export { checkPictures, type PictureCheckOptions, type PictureFinding } from './node/pictureChecks';
export type { PictureOrigin } from './node/pictureTask';
export {
  type PictureThreads,
  type PictureThreadsOptions,
  pictureThreads,
  type ThreadedImage,
} from './node/pictureThreads';
export { ApproximateIndex, type ApproximateIndexOptions } from './node/retrievalApproximate';
