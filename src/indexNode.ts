export { selectBackend } from './node/backends';
export * from './public';
