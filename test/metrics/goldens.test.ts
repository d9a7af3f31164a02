import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { committedFolder, compareFile, goldenFiles, goldenFolders, TOLERANCE } from './goldens';

for (const folder of goldenFolders()) {
  describe(folder === committedFolder ? 'committed goldens' : folder, () => {
    for (const name of goldenFiles(folder)) {
      test(`${name} agrees`, () => {
        const { strings, scores, worst, differences } = compareFile(folder, name);
        expect(strings + scores).toBeGreaterThan(0);
        expect(differences).toEqual([]);
        // The tolerance leaves room for other machines' logarithms; here the deviation is of the order of rounding.
        expect(worst).toBeLessThan(TOLERANCE);
      });
    }
  });
}

test('the committed goldens cover tokens, scores and what METEOR does inside', () => {
  const files = goldenFiles(committedFolder);
  expect(files).toContain('captions.inputs.json');
  expect(files).toContain('tokenize_strings.json');
  for (const part of ['stems', 'normalize', 'align']) expect(files).toContain(`meteor_${part}.json`);
  const { strings, scores } = compareFile(committedFolder, 'captions.inputs.json');
  expect(strings).toBeGreaterThan(200);
  expect(scores).toBeGreaterThan(400);
});

const shared = join(import.meta.dirname, '../../../shared/goldens/metrics');
test.skipIf(goldenFolders().length > 1)(`skipped: no larger set of goldens in ${shared}`, () => {
  expect(existsSync(shared)).toBe(false);
});
