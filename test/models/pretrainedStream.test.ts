import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { greedy } from '../../src/decoders/search/greedy';
import { fromPretrained } from '../../src/models/fromPretrained';
import { directory } from '../../src/node/directory';
import { expectNoLeak } from '../helpers';
import { tinyPicture } from '../training/tiny';

await tf.setBackend('cpu');
askedForCpu();

test.each([[undefined], ['a photo of']])('BLIP streams the words of its caption, after %s', (prompt) =>
  expectNoLeak(async () => {
    const captioner = await fromPretrained(directory(join(import.meta.dirname, '../goldens/models/blip_caption')));
    const options = { search: greedy(), maxLength: 8, ...(prompt !== undefined && { prompt }) };
    const expected = await captioner.caption(tinyPicture(1), options);
    const stream = captioner.stream(tinyPicture(1), options);
    const texts: string[] = [];
    let next = await stream.next();
    for (; !next.done; next = await stream.next()) texts.push(next.value.text);
    expect(next.value).toEqual(expected);
    expect(texts.length).toBe(expected.tokens.filter((token) => token !== captioner.tokenizer.endId).length);
    expect(texts.at(-1)).toBe(expected.text);
    const left = captioner.stream(tinyPicture(1), options);
    await left.next();
    await left.return(expected);
    captioner.dispose();
  }),
);
