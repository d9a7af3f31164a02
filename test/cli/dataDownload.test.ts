import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test, vi } from 'vitest';
import { dataCommand } from '../../src/cli/dataCheck';
import { picture, useFolder } from '../node/fixtures';

const folder = useFolder();

async function run(...args: string[]): Promise<string> {
  const written = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockReturnValue(true));
  try {
    await dataCommand().parseAsync(args, { from: 'user' });
    return written[0]!.mock.calls.map(([text]) => text).join('');
  } finally {
    for (const spy of written) spy.mockRestore();
  }
}

test('pictures that data names by address are downloaded once, and found from then on', async () => {
  const png = await picture(1);
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    if (request.url === '/none.png') response.writeHead(404).end();
    else response.end(png);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const rows = ['a.png', 'none.png', 'b.png'].map((name) => `${address}/${name},A dog runs there\n`);
    await folder.write({ 'train.csv': `image_url,caption\n${rows.join('')}` });
    const download = () =>
      run(
        'download',
        '--data-path',
        folder.root,
        '--user-agent',
        'tests (tests@example.org)',
        '--per-second',
        '1000',
        '--allow-private',
        '--json',
      );
    const states = (text: string) =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).state);
    await expect(run('check', '--data-path', folder.root)).rejects.toThrow(/None of the 3 pictures .*data download/);
    expect(states(await download())).toEqual(['new', 'failed', 'new']);
    expect(states(await download())).toEqual(['there', 'failed', 'there']);
    expect(requests).toBe(3);
    const report = JSON.parse(await run('check', '--data-path', folder.root, '--pictures', '--json'));
    expect(report).toMatchObject({ layout: 'csv', splits: { train: { pictures: 2 } }, picturesDecoded: 2 });
    expect(report.problems).toEqual([{ where: '1 picture', problem: expect.stringContaining('were not downloaded') }]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
