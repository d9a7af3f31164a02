export { selectBackend } from './backends/selectBackend';
export * from './public';
