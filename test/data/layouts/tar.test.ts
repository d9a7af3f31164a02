import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { splitMemberName } from '../../../src/data/layouts/tar';
import { tarMembers } from '../../../src/node/tarMembers';
import { collect } from '../collect';

let root: string;
const long = `${'n'.repeat(180)}.txt`;
const files = { 'a.txt': 'x'.repeat(513), 'é.txt': '', [long]: 'long' };
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tar-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text);
});
afterAll(() => rm(root, { recursive: true }));

test.each(['gnu', 'pax', 'ustar', 'oldgnu'])('what tar writes in the format %s is read', async (format) => {
  const names = Object.keys(files).filter((name) => format !== 'ustar' || name.length <= 100);
  const path = join(root, `${format}.tar`);
  execFileSync('tar', ['--format', format, '-cf', path, '-C', root, ...names]);
  const members = await collect(tarMembers(path));
  expect(members.map(({ name, size }) => [name, size])).toEqual(
    names.map((name) => [name, files[name as keyof typeof files]!.length]),
  );
  expect(members.map(({ type }) => type)).toEqual(names.map(() => '0'));
});

test('keys end at the first dot of the last part', () => {
  expect(['a/b.c/d.seg.PNG', 'x', '.hidden'].map(splitMemberName)).toEqual([
    { key: 'a/b.c/d', extension: 'seg.png' },
    { key: 'x', extension: '' },
    { key: '.hidden', extension: '' },
  ]);
});
