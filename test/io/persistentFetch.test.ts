import { afterEach, describe, expect, test, vi } from 'vitest';
import { persistentFetch } from '../../src/io/persistentFetch';

afterEach(() => vi.unstubAllGlobals());

/** Answers in turn: a status, or an error for a server that is not reached. */
function answers(...given: (number | Error)[]) {
  const asked = vi.fn(async (_url: unknown, _init?: RequestInit) => {
    const next = given.shift() ?? 200;
    if (next instanceof Error) throw next;
    return new Response('x', { status: next });
  });
  vi.stubGlobal('fetch', asked);
  return asked;
}

describe('a fetch with patience', () => {
  test('asks again where the server is busy or not reached', async () => {
    const asked = answers(503, new TypeError('fetch failed'), 429);
    const { status } = await persistentFetch({ wait: 1 })('http://a/b', { method: 'HEAD' });
    expect([status, asked.mock.calls.length]).toEqual([200, 4]);
    expect(asked.mock.calls.every(([url, init]) => url === 'http://a/b' && init?.method === 'HEAD')).toBe(true);
  });

  test('gives up in the end, with the last answer', async () => {
    const asked = answers(500, 500, 502, 500);
    expect((await persistentFetch({ wait: 1, tries: 3 })('http://a/b')).status).toBe(502);
    expect(asked).toHaveBeenCalledTimes(3);
    answers(...Array.from({ length: 9 }, () => new TypeError('fetch failed')));
    await expect(persistentFetch({ wait: 1 })('http://a/b')).rejects.toThrow('fetch failed');
  });

  test.each([200, 304, 401, 404])('takes %i for an answer', async (status) => {
    vi.stubGlobal(
      'fetch',
      vi.fn(async () => ({ status, headers: new Headers() })),
    );
    expect((await persistentFetch({ wait: 1 })('http://a/b')).status).toBe(status);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  test('stops waiting at once when told to, and asks no more', async () => {
    const control = new AbortController();
    const asked = answers(503);
    const asking = persistentFetch({ wait: 60_000, signal: control.signal })('http://a/b');
    setTimeout(() => control.abort(new Error('enough')), 5);
    await expect(asking).rejects.toThrow('enough');
    await expect(persistentFetch({ signal: control.signal })('http://a/b')).rejects.toThrow('enough');
    expect(asked).toHaveBeenCalledTimes(1);
  });

  test('sends the token along, beside other headers', async () => {
    const asked = answers();
    await persistentFetch({ token: 'hf_x' })('http://a/b', { headers: { Range: 'bytes=0-1' } });
    const headers = new Headers(asked.mock.calls[0]![1]!.headers);
    expect([headers.get('authorization'), headers.get('range')]).toEqual(['Bearer hf_x', 'bytes=0-1']);
  });
});
