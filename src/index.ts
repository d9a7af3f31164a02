export { selectBackend } from './backends/selectBackend';
export { openPretrained } from './io/pretrained';
export { fromPretrained } from './models/fromPretrained';
export * from './public';
