// What bench/index.bench.ts runs in a browser.
export { timeIndex } from './indexWork';
