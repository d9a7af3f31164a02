import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { DataError, expectPositive, expectWhole, UsageError } from '../core/errors';
import { ahead, type Source } from '../data/streams';
import { PictureCache } from './pictureCache';
import { isPublicAddress, PrivateAddress, publicLookup } from './publicAddress';

export type DownloadOptions = {
  /** Where pictures are kept: each once by its content, with an index of addresses. What is there is not asked for again. */
  folder: string;
  /**
   * Who asks, with an address of yours, such as `my-project/1.0 (me@example.org)`: Wikimedia and others refuse those that do not say.
   *
   * @see https://foundation.wikimedia.org/wiki/Policy:Wikimedia_Foundation_User-Agent_Policy
   */
  userAgent: string;
  /** Requests in a second, to all servers together; by default 2. */
  perSecond?: number;
  /** Requests at a time; by default 2. */
  atOnce?: number;
  /** Tries of each address; by default 4. */
  tries?: number;
  /** Milliseconds before the second try, doubled before each further one, unless the server says how long; by default 1000. */
  wait?: number;
  /** Milliseconds until a try is given up; by default 30,000. */
  timeout?: number;
  /** Largest picture, in bytes; by default 20 MiB. */
  mostBytes?: number;
  /** Formats that are taken, by what the bytes are; by default JPEG, PNG, WebP and GIF. */
  formats?: readonly PictureFormat[];
  /** Whether servers in private networks and on this machine may be asked, or which ones, by host. Never needed for published data. */
  allowPrivate?: boolean | readonly string[];
  signal?: AbortSignal;
};

export type PictureFormat = 'jpg' | 'png' | 'webp' | 'gif' | 'tif' | 'avif';

/** What became of an address. `failed` will not be asked for again, `later` will by the next call. */
export type Downloaded = { url: string; state: 'new' | 'there' | 'failed' | 'later'; why?: string };

/** Longest wait that a server can ask for, in milliseconds. */
const MOST_WAIT = 120_000;
const MOST_REDIRECTS = 5;

/**
 * Downloads pictures, and says what became of each in the order of the addresses. Stop it at any time and call it again: it goes on
 * where it was, and what can never be had (not found, too large, no picture) is not asked for again.
 *
 * Addresses of private networks are refused, each redirect looked at by itself.
 *
 * @throws DataError where a picture cannot be kept, such as on a full disk
 */
export async function* downloadPictures(urls: Source<string>, options: DownloadOptions): AsyncGenerator<Downloaded> {
  const settings = checked(options);
  const cache = await PictureCache.open(settings.folder);
  const turn = everySoOften(1000 / settings.perSecond);
  yield* ahead(urls, settings.atOnce, async (url): Promise<Downloaded> => {
    settings.signal?.throwIfAborted();
    if (cache.isSettled(url)) {
      const why = cache.failureOf(url);
      return why === undefined ? { url, state: 'there' } : { url, state: 'failed', why };
    }
    const begun: Begun = {};
    for (let attempt = 1; ; attempt++) {
      await turn(settings.signal);
      let got: Awaited<ReturnType<typeof fetchPicture>>;
      try {
        got = await fetchPicture(url, settings, begun);
      } catch (error) {
        settings.signal?.throwIfAborted();
        const why = (error as Error).message;
        if (!(error instanceof Passing)) {
          await cache.fail(url, why);
          return { url, state: 'failed', why };
        }
        if (attempt >= settings.tries) return { url, state: 'later', why };
        await pauseFor(Math.min(MOST_WAIT, error.wait ?? settings.wait * 2 ** (attempt - 1)), settings.signal);
        continue;
      }
      await cache.put(url, got.bytes, got.format);
      return { url, state: 'new' };
    }
  });
}

type Settings = Required<Omit<DownloadOptions, 'signal'>> & { signal: AbortSignal | undefined };

function checked(options: DownloadOptions): Settings {
  const settings: Settings = {
    ...{ perSecond: 2, atOnce: 2, tries: 4, wait: 1000, timeout: 30_000, mostBytes: 20 * 2 ** 20, allowPrivate: false },
    formats: ['jpg', 'png', 'webp', 'gif'],
    signal: undefined,
    ...options,
  };
  if (!/\S/.test(settings.userAgent ?? ''))
    throw new UsageError('userAgent is empty. Say who asks, such as my-project/1.0 (me@example.org).');
  for (const name of ['perSecond', 'timeout', 'mostBytes'] as const) expectPositive(name, settings[name]);
  for (const name of ['atOnce', 'tries'] as const) expectWhole(name, settings[name], 1);
  return settings;
}

/** What may be better the next time; `wait` in milliseconds, where the server says. */
class Passing extends Error {
  constructor(
    message: string,
    readonly wait?: number,
  ) {
    super(message);
  }
}

/** A picture that broke off: what came of it, and what the server calls this state of it. */
type Part = { address: string; validator: string; bytes: Buffer[]; size: number };

/** Of one picture, from try to try. */
type Begun = { part?: Part | undefined };

async function fetchPicture(
  url: string,
  settings: Settings,
  begun: Begun,
): Promise<{ bytes: Uint8Array; format: PictureFormat }> {
  const late = AbortSignal.timeout(settings.timeout);
  const signal = settings.signal ? AbortSignal.any([late, settings.signal]) : late;
  let at = url;
  for (let redirects = 0; ; redirects++) {
    const answer = await request(at, settings, signal, begun);
    if ('bytes' in answer) {
      const format = formatOf(answer.bytes);
      if (format === undefined) throw new DataError(`is no picture, but ${answer.type ?? 'of no type'}`);
      if (!settings.formats.includes(format)) throw new DataError(`is ${format}, which is not asked for`);
      return { bytes: answer.bytes, format };
    }
    if (redirects >= MOST_REDIRECTS) throw new DataError(`is redirected more than ${MOST_REDIRECTS} times`);
    at = answer.location;
  }
}

type Answer = { bytes: Uint8Array; type: string | undefined } | { location: string };

/**
 * One request. What a try before has of the picture is not asked for again, where the server can send the rest of the very same.
 *
 * @see RFC 9110, sections 13.1.5 (If-Range) and 14.2 (Range)
 */
function request(address: string, settings: Settings, signal: AbortSignal, begun: Begun): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(signal.aborted ? new Passing('takes too long') : error);
    const url = webAddress(address);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    // A name is checked when it is looked up, for the very connection.
    const { allowPrivate } = settings;
    const anywhere = typeof allowPrivate === 'boolean' ? allowPrivate : allowPrivate.includes(host);
    if (!anywhere && isIP(host) && !isPublicAddress(host)) throw new PrivateAddress(url.hostname, host);
    const before = begun.part?.address === address ? begun.part : undefined;
    const asked = (url.protocol === 'https:' ? https : http).get(
      url,
      {
        // No connection is kept: one made for a host that may be asked must not serve another.
        agent: false,
        headers: {
          ...{ 'user-agent': settings.userAgent, accept: 'image/*', 'accept-encoding': 'identity' },
          ...(before && { range: `bytes=${before.size}-`, 'if-range': before.validator }),
        },
        ...(!anywhere && { lookup: publicLookup }),
        signal,
      },
      (response) => {
        const status = response.statusCode ?? 0;
        const refuse = (error: Error) => {
          response.destroy();
          fail(error);
        };
        const { location } = response.headers;
        if (status >= 300 && status < 400 && location !== undefined) {
          response.destroy();
          try {
            return resolve({ location: new URL(location, url).href });
          } catch {
            return fail(new DataError(`is redirected to ${JSON.stringify(location)}, which is no address`));
          }
        }
        if (status === 408 || status === 425 || status === 429 || status >= 500)
          return refuse(new Passing(`the server answers ${status}`, retryAfter(response.headers['retry-after'])));
        begun.part = undefined; // unless what comes now can be gone on with, the next try asks for all of it
        if (before && status === 416) return refuse(new Passing('the server has not the rest'));
        if (status === 206 && !continues(response.headers['content-range'], before))
          return refuse(new Passing('the server sends another part than was asked for'));
        if (status !== 200 && status !== 206) return refuse(new DataError(`the server answers ${status}`));
        const kept = status === 206 ? before! : { bytes: [], size: 0 };
        const told = kept.size + Number(response.headers['content-length'] ?? Number.NaN);
        if (told > settings.mostBytes)
          return refuse(new DataError(`has ${told} bytes, more than ${settings.mostBytes}`));
        const validator = status === 206 ? before!.validator : validatorOf(response.headers);
        const part = { address, validator: validator ?? '', bytes: [...kept.bytes], size: kept.size };
        if (validator !== undefined) begun.part = part;
        response.on('data', (bytes: Buffer) => {
          part.size += bytes.length;
          if (part.size > settings.mostBytes) return refuse(new DataError(`has more than ${settings.mostBytes} bytes`));
          part.bytes.push(bytes);
        });
        response.on('error', (error) => fail(new Passing(`breaks off: ${error.message}`)));
        response.on('end', () => {
          // Node says so only where the server closed the connection in an orderly manner.
          if (!response.complete || (!Number.isNaN(told) && part.size !== told))
            return fail(new Passing(`breaks off after ${part.size} of ${told} bytes`));
          resolve({ bytes: new Uint8Array(Buffer.concat(part.bytes)), type: response.headers['content-type'] });
        });
      },
    );
    asked.on('error', (error: NodeJS.ErrnoException) => {
      const passing = !(error instanceof DataError) && error.code !== 'ENOTFOUND' && !error.code?.startsWith('CERT_');
      fail(passing ? new Passing(error.message) : error);
    });
  });
}

/** What says that a file is the very same: an ETag that is not weak, or else when it was changed. */
function validatorOf({ etag, 'last-modified': modified }: http.IncomingHttpHeaders): string | undefined {
  return etag?.startsWith('"') ? etag : modified;
}

/** Whether a part of a file begins where what there is of it ends. */
function continues(contentRange: string | undefined, before: Part | undefined): boolean {
  const start = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(contentRange ?? '')?.[1];
  return before !== undefined && Number(start) === before.size;
}

function webAddress(address: string): URL {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new DataError('is no address of the web');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new DataError(`is of ${url.protocol} and not of the web`);
  return url;
}

/** What `Retry-After` asks for, in milliseconds: seconds, or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}

/** The format of a picture by its first bytes, whatever the server calls it. */
export function formatOf(bytes: Uint8Array): PictureFormat | undefined {
  const text = String.fromCharCode(...bytes.subarray(0, 16));
  if (text.startsWith('\xff\xd8\xff')) return 'jpg';
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return 'gif';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'webp';
  if (text.startsWith('II*\0') || text.startsWith('MM\0*')) return 'tif';
  if (text.slice(4, 12) === 'ftypavif') return 'avif';
  return undefined;
}

/** Lets one through every so many milliseconds, in the order in which they ask. */
function everySoOften(milliseconds: number): (signal: AbortSignal | undefined) => Promise<void> {
  let next = 0;
  return async (signal) => {
    const now = performance.now();
    next = Math.max(now, next + milliseconds);
    if (next > now) await pauseFor(next - now, signal);
  };
}

function pauseFor(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return pause(milliseconds, undefined, signal ? { signal } : {});
}
