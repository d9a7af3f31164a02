import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { memoryStore } from '../../src/io/stores';
import { freeze, trainOnly } from '../../src/training/freeze';
import { LoRA } from '../../src/training/lora';
import { adamW, type Optimizer } from '../../src/training/optimizers';
import { decayExcept, withGroups } from '../../src/training/parameterGroups';
import { train } from '../../src/training/train';
import { TransformerCaptioner } from '../../src/transformerCaptioner';
import { expectClose, expectNoLeak } from '../helpers';
import { tinyData, tinyPicture, tinyTokenizer } from './tiny';

await tf.setBackend('cpu');
askedForCpu();

const pictures = [0, 1, 2].map(tinyPicture);

async function withCaptioner(use: (captioner: TransformerCaptioner) => Promise<void>): Promise<void> {
  await expectNoLeak(async () => {
    const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
    const captioner = TransformerCaptioner.create({
      encoder,
      tokenizer: tinyTokenizer,
      hiddenSize: 8,
      numHeads: 2,
      numLayers: 2,
      encoderLayers: 1,
      dropout: 0,
      generation: { maxLength: 6 },
    });
    try {
      await use(captioner);
    } finally {
      captioner.dispose();
      encoder.dispose();
    }
  });
}

const weightsOf = (captioner: TransformerCaptioner) =>
  new Map([...captioner.parameters()].map(([name, variable]) => [name, variable.dataSync().slice()]));

/** The names of the parameters that some steps have changed. */
async function moved(captioner: TransformerCaptioner, optimizer: Optimizer): Promise<string[]> {
  const before = weightsOf(captioner);
  for await (const { step } of train(captioner, tinyData, { optimizer, epochs: 1, batchSize: 2 }))
    if (step === 2) break;
  optimizer.dispose();
  const changed = [...weightsOf(captioner)].filter(([name, values]) =>
    values.some((value, i) => value !== before.get(name)![i]),
  );
  return changed.map(([name]) => name);
}

describe('freezing', () => {
  test('keeps what it names as it is, until it is undone', () =>
    withCaptioner(async (captioner) => {
      const { names: frozen, release } = freeze(captioner.parameters(), [/^decoder\.layers\.0\./, /\.words$/]);
      expect(frozen.length).toBe(27);
      const first = await moved(captioner, adamW(0.01));
      expect(first.filter((name) => frozen.includes(name))).toEqual([]);
      expect(first).toContain('decoder.layers.1.up.weight');
      release();
      expect(await moved(captioner, adamW(0.01))).toContain('decoder.words');
    }));

  test('of all but some', () =>
    withCaptioner(async (captioner) => {
      trainOnly(captioner.parameters(), /Norm\./);
      const changed = await moved(captioner, adamW(0.01));
      expect(changed.length).toBeGreaterThan(0);
      expect(changed.filter((name) => !/Norm\./.test(name))).toEqual([]);
    }));

  test('a pattern that fits nothing is an error that shows names', () =>
    withCaptioner(async (captioner) => {
      expect(() => freeze(captioner.parameters(), /^layers/)).toThrow(UsageError);
      expect(() => freeze(captioner.parameters(), /^layers/)).toThrow('encoder.0.weight');
    }));
});

describe('groups of parameters', () => {
  const step = (optimizer: Optimizer, name: string) => {
    const variable = tf.variable(tf.tensor1d([1, -2, 3]));
    const gradient = tf.tensor1d([0.5, -1, 2]);
    optimizer.apply(new Map([[name, variable]]), new Map([[name, gradient]]), () => 0.5);
    const values = variable.dataSync().slice();
    tf.dispose([variable, gradient]);
    optimizer.dispose();
    return values;
  };

  test('have rates of their own; the first that fits counts', () =>
    tf.tidy(() => {
      const groups = [
        { match: /^encoder/, learningRate: 0.001 },
        { match: [/weight$/, /bias$/], learningRate: 0.2 },
      ];
      const grouped = () => {
        const inner = withGroups(adamW(0.1), groups);
        // Every group has to fit something.
        const others = new Map(['encoder.weight', 'x.bias', 'table'].map((name) => [name, tf.variable(tf.zeros([3]))]));
        return {
          ...inner,
          apply: ((parameters, ...rest) =>
            inner.apply(new Map([...others, ...parameters]), ...rest)) as Optimizer['apply'],
        };
      };
      expectClose(step(grouped(), 'encoder.weight'), step(adamW(0.001), 'a'), 1e-7);
      expectClose(step(grouped(), 'decoder.weight'), step(adamW(0.2), 'a'), 1e-7);
      expectClose(step(grouped(), 'words'), step(adamW(0.1), 'a'), 1e-7);
    }));

  test('may be left out of weight decay', () => {
    const decayed = adamW(0.1, { weightDecay: decayExcept(0.3, [/bias$/, /Norm\./]) });
    expectClose(step(decayed, 'layers.0.up.weight'), step(adamW(0.1, { weightDecay: 0.3 }), 'a'), 0);
    const spared = adamW(0.1, { weightDecay: decayExcept(0.3, [/bias$/, /Norm\./]) });
    expectClose(step(spared, 'layers.0.up.bias'), step(adamW(0.1, { weightDecay: 0 }), 'a'), 0);
  });

  test('that fit nothing, or have no rate above zero, are wrong use', () => {
    const optimizer = withGroups(adamW(0.1), [{ match: /nothing/, learningRate: 1 }]);
    expect(() => step(optimizer, 'decoder.weight')).toThrow(UsageError);
    expect(() => withGroups(adamW(0.1), [{ match: /./, learningRate: 0 }])).toThrow(UsageError);
    for (const variable of Object.values(tf.engine().registeredVariables)) if (variable.size === 3) variable.dispose();
  });
});

describe('LoRA', () => {
  const layersOf = (captioner: TransformerCaptioner) => captioner.decoder.parts.layers;
  const logitsOf = (captioner: TransformerCaptioner) =>
    tf.tidy(() => {
      const { decoder } = captioner;
      const features = tf.linspace(-1, 1, 3 * 4 * 5);
      const memory = decoder.remember(tf.reshape(features, [3, 4, 5]));
      return decoder.teacherForced(tf.tensor2d([1, 5, 7, 1, 4, 9, 1, 8, 6], [3, 3], 'int32'), memory).logits.dataSync();
    });

  test('changes nothing at first, then it alone is trained; merged and unmerged give the same', () =>
    withCaptioner(async (captioner) => {
      const before = logitsOf(captioner);
      const lora = new LoRA(layersOf(captioner), { rank: 3, random: new Random(5) });
      expect(lora.names.length).toBe(16);
      expectClose(logitsOf(captioner), before, 0);

      trainOnly(captioner.parameters(), /\.lora\./);
      const names = [...captioner.parameters().keys()].filter((name) => /\.lora\.(down|up)$/.test(name));
      expect(names.length).toBe(2 * 16);
      const changed = await moved(captioner, adamW(0.05));
      expect(changed.sort()).toEqual(names.sort());

      const trained = logitsOf(captioner);
      expect(Math.max(...trained.map((value, i) => Math.abs(value - before[i]!)))).toBeGreaterThan(0.01);
      const apart = await captioner.caption(pictures);
      lora.merge();
      expect(lora.merged).toBe(true);
      expect([...captioner.parameters().keys()].some((name) => name.includes('lora'))).toBe(false);
      expectClose(logitsOf(captioner), trained, 1e-5);
      expect((await captioner.caption(pictures)).map(({ tokens }) => tokens)).toEqual(
        apart.map(({ tokens }) => tokens),
      );
      lora.unmerge();
      expectClose(logitsOf(captioner), trained, 1e-5);
      lora.dispose();
      expectClose(logitsOf(captioner), before, 1e-5);
    }));

  test('what was merged is saved and loaded as plain weights', () =>
    withCaptioner(async (captioner) => {
      const lora = new LoRA(layersOf(captioner), { match: /\.(up|down)$/, random: new Random(5) });
      expect(lora.names).toEqual(['0.up', '0.down', '1.up', '1.down']);
      await moved(captioner, adamW(0.05));
      lora.merge();
      const store = memoryStore();
      await captioner.save(store);
      const loaded = await TransformerCaptioner.load(store);
      expectClose(logitsOf(loaded), logitsOf(captioner), 0);
      loaded.dispose();
      lora.dispose();
    }));

  test('what cannot be meant is wrong use', () =>
    withCaptioner(async (captioner) => {
      const random = new Random(1);
      expect(() => new LoRA(layersOf(captioner), { match: /nothing/, random })).toThrow(UsageError);
      expect(() => new LoRA(layersOf(captioner), { rank: 0, random })).toThrow(UsageError);
      const lora = new LoRA(layersOf(captioner), { random });
      expect(() => new LoRA(layersOf(captioner), { random })).toThrow('has an adapter already');
      expect(() => lora.unmerge()).toThrow(UsageError);
      lora.merge();
      expect(() => lora.merge()).toThrow(UsageError);
      lora.dispose();
    }));
});
