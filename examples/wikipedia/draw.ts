import { drawPages } from './drawPages';

const [folder, pictures = '600', seed = '7'] = process.argv.slice(2);
if (folder === undefined) {
  console.error('Usage: npx tsx examples/wikipedia/draw.ts FOLDER [PICTURES] [SEED]');
  process.exitCode = 2;
} else {
  await drawPages(folder, { pictures: Number(pictures), seed: Number(seed) });
  console.log(`Drew ${pictures} pictures on pages in ${folder}`);
}
