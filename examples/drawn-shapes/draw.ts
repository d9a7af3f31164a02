import { drawShapes } from './drawShapes';

const [folder, pictures = '600', seed = '7'] = process.argv.slice(2);
if (folder === undefined) {
  console.error('Usage: npx tsx examples/drawn-shapes/draw.ts FOLDER [PICTURES] [SEED]');
  process.exitCode = 2;
} else {
  await drawShapes(folder, { pictures: Number(pictures), seed: Number(seed) });
  console.log(`Drew ${pictures} pictures with five captions each in ${folder}`);
}
