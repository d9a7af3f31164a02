import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { committedFolder, compareFile, goldenFiles, goldenFolders, TOLERANCE } from './goldens';

for (const folder of goldenFolders()) {
  describe(folder === committedFolder ? 'committed goldens' : folder, () => {
    for (const name of goldenFiles(folder)) {
      const { tokenized, scores, worst, differences, notBuilt } = compareFile(folder, name);
      test.skipIf(tokenized + scores === 0)(
        tokenized + scores > 0 ? `${name} agrees` : `${name}: not built yet: ${notBuilt.join(', ')}`,
        () => {
          expect(differences).toEqual([]);
          // The tolerance leaves room for other machines' logarithms; here the deviation is of the order of rounding.
          expect(worst).toBeLessThan(TOLERANCE);
        },
      );
    }
  });
}

test('the committed goldens cover tokens and scores', () => {
  const files = goldenFiles(committedFolder);
  expect(files).toContain('captions.inputs.json');
  expect(files).toContain('tokenize_strings.json');
  const { tokenized, scores } = compareFile(committedFolder, 'captions.inputs.json');
  expect(tokenized).toBeGreaterThan(200);
  expect(scores).toBeGreaterThan(400);
});

const shared = join(import.meta.dirname, '../../../shared/goldens/metrics');
test.skipIf(goldenFolders().length > 1)(`skipped: no larger set of goldens in ${shared}`, () => {
  expect(existsSync(shared)).toBe(false);
});
