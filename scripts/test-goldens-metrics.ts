/*
 * Compares the metrics with every golden file of `GOLDEN_METRICS` (by default ../shared/goldens/metrics, where it is
 * there) and of test/goldens/metrics: npx tsx scripts/test-goldens-metrics.ts
 */
import { join } from 'node:path';
import { compareFile, goldenFiles, goldenFolders } from '../test/metrics/goldens';

let passed = 0;
let failed = 0;
for (const folder of goldenFolders()) {
  for (const name of goldenFiles(folder)) {
    const path = join(folder, name);
    try {
      const { strings, scores, worst, differences } = compareFile(folder, name);
      const parts = [
        ...(strings > 0 ? [`${strings} strings`] : []),
        ...(scores > 0 ? [`${scores} scores, largest deviation ${worst.toExponential(1)}`] : []),
      ];
      const verdict = differences.length === 0 ? 'ok  ' : 'FAIL';
      console.log(`${verdict} ${path}: ${parts.join('; ')}`);
      for (const difference of differences.slice(0, 10)) console.log(`       ${difference}`);
      if (differences.length > 10) console.log(`       ... and ${differences.length - 10} more`);
      if (differences.length === 0) passed++;
      else failed++;
    } catch (error) {
      failed++;
      console.log(`FAIL ${path}: ${(error as Error).message}`);
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
