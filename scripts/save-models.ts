/*
 * Loads every model of the golden cases and writes it as transformers in Python reads it, into a folder per case, for
 * scripts/check_saved_models.py: npx tsx scripts/save-models.ts FOLDER
 */

import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { ViT } from '../src/encoders/vit';
import { readViTConfig } from '../src/encoders/vitConfig';
import { saveStateDict } from '../src/io/saveStateDict';
import { BertMLM, readBertMLMConfig } from '../src/models/bertMLM';
import { Blip, BlipMatching } from '../src/models/blip';
import { Blip2, readBlip2Config } from '../src/models/blip2';
import { readBlipConfig } from '../src/models/blipConfig';
import { Clip, readClipConfig } from '../src/models/clip';
import { Git, readGitConfig } from '../src/models/git';
import { Lxmert } from '../src/models/lxmert';
import { readLxmertConfig } from '../src/models/lxmertConfig';
import { readSiglipConfig, Siglip } from '../src/models/siglip';
import { VisionEncoderDecoder } from '../src/models/visionEncoderDecoder';
import { readVisionEncoderDecoderConfig } from '../src/models/visionEncoderDecoderConfig';
import { VisualBert } from '../src/models/visualBert';
import { readVisualBertConfig } from '../src/models/visualBertConfig';
import { directory } from '../src/node/directory';
import { GoldenCase, goldenRoots } from '../test/goldenCase';

type Saved = { stateDict(): Iterable<readonly [string, tf.Tensor]>; dispose(): void };

const loaders: Record<string, (golden: GoldenCase) => Promise<Saved>> = {
  vit: ({ config, source }) => ViT.load(readViTConfig(config), source),
  vit_cls: ({ config, source }) => ViT.load(readViTConfig(config), source),
  ved_vit_bert: ({ config, source }) => VisionEncoderDecoder.load(readVisionEncoderDecoderConfig(config), source),
  ved_vit_gpt2: ({ config, source }) => VisionEncoderDecoder.load(readVisionEncoderDecoderConfig(config), source),
  blip_caption: ({ config, source }) => Blip.load(readBlipConfig(config), source),
  blip_itm: ({ config, source }) => BlipMatching.load(readBlipConfig(config), source),
  git: ({ config, source }) => Git.load(readGitConfig(config), source),
  blip2_opt: ({ config, source }) => Blip2.load(readBlip2Config(config), source),
  clip: ({ config, source }) => Clip.load(readClipConfig(config), source),
  bert_mlm: ({ config, source }) => BertMLM.load(readBertMLMConfig(config), source),
  visual_bert: ({ config, source }) => VisualBert.load(readVisualBertConfig(config), source),
  lxmert: ({ config, source }) => Lxmert.load(readLxmertConfig(config), source),
  siglip: ({ config, source }) => Siglip.load(readSiglipConfig(config), source),
};

const [target] = process.argv.slice(2);
if (!target) {
  console.error('Say where to write: npx tsx scripts/save-models.ts FOLDER');
  process.exit(2);
}
await tf.setBackend('cpu');
for (const [root, parent] of goldenRoots().entries())
  for (const [name, load] of Object.entries(loaders)) {
    const folder = join(parent, name);
    if (!existsSync(folder)) continue;
    const golden = new GoldenCase(folder);
    const model = await load(golden);
    const store = directory(join(target, `${root}-${basename(folder)}`));
    await saveStateDict(store, model.stateDict(), { dispose: true });
    await store.write('config.json', readFileSync(join(folder, 'config.json')));
    await store.write('golden.txt', new TextEncoder().encode(folder));
    model.dispose();
    console.log(`${store.location}`);
  }
