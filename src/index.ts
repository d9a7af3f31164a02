export { selectBackend } from './backends/selectBackend';
export { openPretrained } from './io/pretrained';
export { fromPretrained } from './models/fromPretrained';
export { modelFromPretrained } from './models/modelFromPretrained';
export * from './public';
