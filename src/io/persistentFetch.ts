export type Fetch = typeof globalThis.fetch;

export type PersistentFetchOptions = {
  signal?: AbortSignal | undefined;
  /** Sent to the server as `Authorization: Bearer`. */
  token?: string | undefined;
  /** Tries in all; by default 4. */
  tries?: number;
  /** Milliseconds before the second try, doubled before each further one; by default 500. */
  wait?: number;
};

/** Answers of a server that may be better the next time. */
const passing = (status: number) => status === 408 || status === 425 || status === 429 || status >= 500;

/**
 * A `fetch` that tries again where the server is busy, broken or not reached, as long as what is asked for can be asked again.
 * Where the last try fails too, that answer is returned or that error thrown.
 */
export function persistentFetch({ signal, token, tries = 4, wait = 500 }: PersistentFetchOptions = {}): Fetch {
  return async (input, init = {}) => {
    const headers = new Headers(init.headers);
    if (token !== undefined && !headers.has('authorization')) headers.set('authorization', `Bearer ${token}`);
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      try {
        const response = await fetch(input, { ...init, headers, ...(signal && { signal }) });
        if (!passing(response.status) || attempt >= tries) return response;
        await response.body?.cancel();
      } catch (error) {
        signal?.throwIfAborted();
        if (attempt >= tries) throw error;
      }
      await pause(wait * 2 ** (attempt - 1), signal);
    }
  };
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
