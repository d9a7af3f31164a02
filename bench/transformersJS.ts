import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { readInput, readPlan } from './jobs/files';
import type { PretrainedPlan } from './jobs/pretrained';
import type { Work } from './jobs/types';
import { pythonWith } from './processes';

const run = promisify(execFile);
const home = join(import.meta.dirname, '../.cache/bench-transformers-js');

/** Of @huggingface/transformers, what is used here. */
type TransformersJS = {
  env: { version: string; allowRemoteModels: boolean; localModelPath: string };
  Tensor: new (type: 'float32', data: Float32Array, dims: number[]) => object;
  VisionEncoderDecoderModel: {
    from_pretrained(name: string, options: object): Promise<{ generate(options: object): Promise<Generated> }>;
  };
};
type Generated = { tolist(): bigint[][] };

/** Installs the library into .cache/, and exports the model of a job for it; both are done once. */
export async function prepareTransformersJS(folder: string): Promise<void> {
  if (!existsSync(join(home, 'node_modules/@huggingface/transformers'))) {
    process.stderr.write('Installing @huggingface/transformers for the comparison\n');
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
    // The binaries for these processors come in the package; its script fetches those for graphics cards.
    await run('npm', ['install', '@huggingface/transformers', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: home,
    });
  }
  const { model } = await readPlan<PretrainedPlan>(folder);
  const onnx = join(exported(model), 'onnx');
  if (existsSync(join(onnx, 'decoder_model_merged.onnx'))) return;
  process.stderr.write(`Exporting ${basename(model)} to ONNX\n`);
  const python = await pythonWith(['torch', 'transformers<4.58', 'optimum-onnx[onnxruntime]'], 'bench-onnx-venv');
  await run(python, [join(import.meta.dirname, 'pytorch/export_onnx.py'), model, onnx]);
  for (const name of ['config.json', 'generation_config.json'])
    await cp(join(model, name), join(exported(model), name));
}

const exported = (model: string) => `${model}-onnx`;

export async function describeTransformersJS(): Promise<string> {
  const { version } = JSON.parse(
    await readFile(join(home, 'node_modules/@huggingface/transformers/package.json'), 'utf8'),
  );
  return `@huggingface/transformers ${version} on onnxruntime-node`;
}

/** A `pretrained` job by greedy search: its beams do not compete, so that more of them give the same captions. */
export async function captionByTransformersJS(folder: string): Promise<Work> {
  const { model: path, words, startId } = await readPlan<PretrainedPlan>(folder);
  const entry = createRequire(join(home, 'package.json')).resolve('@huggingface/transformers');
  const { env, Tensor, VisionEncoderDecoderModel }: TransformersJS = await import(pathToFileURL(entry).href);
  env.allowRemoteModels = false;
  env.localModelPath = `${dirname(path)}/`;
  const model = await VisionEncoderDecoderModel.from_pretrained(basename(exported(path)), {
    dtype: 'fp32',
    device: 'cpu',
  });
  const input = await readInput<tf.Tensor4D>(folder);
  const pixels = tf.transpose(input, [0, 3, 1, 2]);
  const inputs = new Tensor('float32', await pixels.data<'float32'>(), pixels.shape);
  tf.dispose([input, pixels]);
  const captions = async () => {
    const ended = { max_new_tokens: words, eos_token_id: null, decoder_start_token_id: startId, do_sample: false };
    return (await model.generate({ inputs, ...ended })).tolist();
  };
  return {
    run: async () => {
      await captions();
    },
    async check() {
      return { captionsOnly: true, numbers: {}, captions: (await captions()).map((ids) => ids.slice(1).map(Number)) };
    },
  };
}
