export { selectBackend } from './node/backends';
export { openPretrained } from './node/pretrained';
export { fromPretrained } from './node/pretrainedCaptioner';
export { modelFromPretrained } from './node/pretrainedModel';
export * from './public';
