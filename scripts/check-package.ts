/*
 * Looks at the package as people get it: packs it, asks publint and arethetypeswrong about it, installs it into an empty
 * project and uses every entry there. Needs `npm run build` before, and the npm registry: npm run check:package
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');
const MOST_MEGABYTES = 20;
const MOST_MEGABYTES_OF_DATA = 25;
const run = promisify(execFile);

/** Runs a program; an error carries all that it printed. */
async function execute(command: string, args: string[], cwd: string, timeout = 300_000): Promise<string> {
  try {
    return (await run(command, args, { cwd, timeout, maxBuffer: 1e8 })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}`.trimEnd(), { cause: error });
  }
}

function expect(right: boolean, otherwise: string): void {
  if (!right) throw new Error(otherwise);
}

let [passed, failed] = [0, 0];
async function check(name: string, body: () => Promise<string | undefined>): Promise<boolean> {
  try {
    const note = await body();
    console.log(`ok    ${name}${note ? `: ${note}` : ''}`);
    passed++;
    return true;
  } catch (error) {
    console.log(`FAIL  ${name}\n${(error as Error).message.replace(/^/gm, '        ')}`);
    failed++;
    return false;
  }
}

const tool = (name: string) => join(root, 'node_modules', '.bin', name);
const project = await mkdtemp(join(tmpdir(), 'check-package-'));
const inProject = (...path: string[]) => join(project, ...path);
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
let tarball = '';

const packed = await check('npm pack', async () => {
  expect(
    await stat(join(root, 'dist/index.d.ts')).then(Boolean, () => false),
    'dist is missing or has no types. Run `npm run build` first.',
  );
  const output = await execute('npm', ['pack', '--json', '--pack-destination', project], root);
  // npm 12 prints an object by package name, those before it a list.
  const [entry] = Object.values(JSON.parse(output)) as { filename: string; size: number; files: { path: string }[] }[];
  tarball = inProject(entry!.filename);
  const paths = entry!.files.map(({ path }) => path);
  const strangers = paths.filter(
    (path) => !/^(dist|models)\/|^(LICENSE|README\.md|CHANGELOG\.md|package\.json)$/.test(path),
  );
  expect(strangers.length === 0, `These do not belong in the package: ${strangers.join(', ')}`);
  for (const needed of [
    'dist/cli.js',
    'dist/metrics.js',
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'models/flickr8k/model.safetensors',
  ])
    expect(paths.includes(needed), `The package lacks ${needed}.`);
  const megabytes = entry!.size / 1e6;
  expect(megabytes < MOST_MEGABYTES, `The package has ${megabytes.toFixed(1)} MB, more than ${MOST_MEGABYTES}.`);
  return `${paths.length} files, ${megabytes.toFixed(2)} MB`;
});

await check('publint', async () => {
  await execute(tool('publint'), ['run', tarball, '--strict'], root);
  return undefined;
});

await check('arethetypeswrong', async () => {
  await execute(tool('attw'), [tarball, '--profile', 'esm-only', '--no-emoji'], root);
  return undefined;
});

const installed =
  tarball !== '' &&
  (await check('npm install into an empty project', async () => {
    await writeFile(inProject('package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
    await execute('npm', ['install', tarball, '@tensorflow/tfjs', '--no-audit', '--no-fund'], project);
    const copies = (await readdir(inProject('node_modules'), { recursive: true, encoding: 'utf8' })).filter((path) =>
      /@tensorflow[\\/]tfjs-core[\\/]package\.json$/.test(path),
    );
    expect(copies.length === 1, `There are ${copies.length} copies of tfjs-core: ${copies.join(', ')}`);
    return 'one copy of tfjs-core';
  }));

if (installed) {
  await check('every entry works', async () => {
    await cp(join(root, 'test/package/use.mjs'), inProject('use.mjs'));
    const photo = join(root, 'examples/photos/coffee.jpg');
    const result = JSON.parse(await execute('node', ['use.mjs', photo, 'saved'], project));
    expect(
      result.version === version && result.backend === 'wasm' && result.same && result.words > 0,
      `use.mjs printed ${JSON.stringify(result)}`,
    );
    expect(
      result.corpus['BLEU-1'] > 0.99 && /npm install @tfjs-captioning\/meteor-en/.test(result.omitted.METEOR),
      `Without its data METEOR should be left out with a word about it, but use.mjs printed ${JSON.stringify(result)}`,
    );
    return `on ${result.backend}`;
  });

  await check('@tfjs-captioning/meteor-en', async () => {
    const output = await execute(
      'npm',
      ['pack', '--json', '--pack-destination', project],
      join(root, 'packages/meteor-en'),
    );
    const [entry] = Object.values(JSON.parse(output)) as {
      filename: string;
      size: number;
      files: { path: string }[];
    }[];
    const megabytes = entry!.size / 1e6;
    expect(megabytes < MOST_MEGABYTES_OF_DATA, `It has ${megabytes} MB, more than ${MOST_MEGABYTES_OF_DATA}.`);
    for (const needed of ['LICENSE', 'LICENSE.LGPL-2.1', 'LICENSE.WORDNET'])
      expect(
        entry!.files.some(({ path }) => path === needed),
        `It lacks ${needed}.`,
      );
    await execute('npm', ['install', inProject(entry!.filename), '--no-audit', '--no-fund'], project);
    const photo = join(root, 'examples/photos/coffee.jpg');
    const { corpus, omitted } = JSON.parse(await execute('node', ['use.mjs', photo, 'saved'], project));
    expect(corpus.METEOR > 0.99 && !omitted.METEOR, `use.mjs printed ${JSON.stringify({ corpus, omitted })}`);
    return `${megabytes.toFixed(1)} MB`;
  });

  await check('the command', async () => {
    const printed = await execute('npx', ['--no-install', 'tfjs-captioning', '--version'], project);
    expect(printed.trim() === version, `--version printed ${printed.trim()}, not ${version}.`);
    return printed.trim();
  });

  await check('the shipped captioner', async () => {
    const photo = join(root, 'examples/photos/cat.jpg');
    const args = ['--no-install', 'tfjs-captioning', 'generate', '--image-path', photo, '--json'];
    const [caption] = JSON.parse(await execute('npx', args, project));
    expect(caption?.words?.length > 2, `generate printed ${JSON.stringify(caption)}`);
    return caption.text;
  });

  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const)
    await check(`types, moduleResolution ${moduleResolution}`, async () => {
      const folder = inProject(`types-${moduleResolution}`);
      await mkdir(folder, { recursive: true });
      const scripts = [
        ...(await scriptsIn('README.md')),
        ...(await scriptsIn('docs/extending.md')),
        await readFile(join(root, 'examples/minimal-training/train.js'), 'utf8'),
      ];
      for (const [i, script] of scripts.entries()) await writeFile(join(folder, `script${i}.ts`), script);
      const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
      // tfjs' own types need skipLibCheck.
      const compilerOptions = {
        module,
        moduleResolution,
        target: 'es2022',
        ...strict,
        skipLibCheck: true,
        noEmit: true,
      };
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
      await execute(tool('tsc'), ['-p', folder], project);
      return `${scripts.length} scripts`;
    });

  await check('examples/minimal-training', async () => {
    await cp(join(root, 'examples/minimal-training/train.js'), inProject('train.js'));
    await execute(tool('tsx'), [join(root, 'examples/drawn-shapes/draw.ts'), inProject('runs/shapes'), '1500'], root);
    const start = performance.now();
    const printed = await execute('node', ['train.js'], project, 600_000);
    const bleu4 = Number(/'BLEU-4': ([\d.e-]+)/.exec(printed)?.[1]);
    expect(bleu4 > 0.75, `Its captions should reach a BLEU-4 of 0.75, but it printed:\n${printed}`);
    return `BLEU-4 ${bleu4.toFixed(3)} after ${Math.round((performance.now() - start) / 1000)} s`;
  });
}

await rm(project, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && packed ? 0 : 1;

/** The TypeScript in a Markdown file that imports something of the package. */
async function scriptsIn(file: string): Promise<string[]> {
  const text = await readFile(join(root, file), 'utf8');
  const scripts = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, script]) => script!);
  const whole = scripts.filter((script) => script.includes("from 'tfjs-captioning"));
  expect(whole.length > 0, `${file} has no script in a \`\`\`ts block.`);
  return whole;
}
