import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

test('every script of docs/extending.md is whole, and is among those that are checked against the package', () => {
  const text = readFileSync(join(root, 'docs/extending.md'), 'utf8');
  const scripts = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, script]) => script!);
  expect(scripts.length).toBeGreaterThan(5);
  for (const script of scripts) expect(script).toContain("from 'tfjs-captioning");
  expect(readFileSync(join(root, 'scripts/check-package.ts'), 'utf8')).toContain("scriptsIn('docs/extending.md')");
});
