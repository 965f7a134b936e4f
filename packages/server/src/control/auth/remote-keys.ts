import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Log } from '../../core/index.ts';

type FindKey = ReturnType<typeof createLocalJWKSet>;

/** Thrown when the keys are not known and can't be fetched at the moment. */
export class KeysUnavailableError extends Error {}

export interface RemoteKeysOptions {
  readonly url: string;
  readonly log: Log;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5000;
const MAX_BYTES = 256 * 1024;
const MAX_KEYS = 100;
/** Keys this young are used without asking again. */
const FRESH_MS = 5 * 60_000;
/** While the server of the keys does not answer, the last ones are used for this long. */
const STALE_MS = 60 * 60_000;
/** After a failure, and between searches for a key that was not there: the server of the keys is left alone for that long. */
const RETRY_MS = 10_000;

/**
 * Public keys at a URL (JWKS, RFC 7517). They are fetched when the first token comes, anew when they grow old or a key
 * is missing, never more than one request at a time. A server that is dead, slow, or answers with garbage costs the
 * tokens that need it one time-out; those that come in the next ten seconds fail at once.
 */
export class RemoteKeys {
  readonly #options: RemoteKeysOptions;
  readonly #now: () => number;
  readonly #closing = new AbortController();
  #keys: FindKey | undefined;
  #fetchedAtMs = 0;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #fetching: Promise<FindKey> | undefined;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * The key of a token by its header.
   * @throws KeysUnavailableError, or an error of jose when there is no such key
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#current();
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || this.#now() < this.#retryAtMs) throw error;
      const newer = await this.#fetchOnce();
      return await newer(header, token);
    }
  };

  /** Gives up a fetch that is under way. Idempotent. */
  close(): void {
    this.#closing.abort();
  }

  async #current(): Promise<FindKey> {
    const ageMs = this.#now() - this.#fetchedAtMs;
    if (this.#keys !== undefined && ageMs < FRESH_MS) return this.#keys;
    const mayFetch = this.#fetching !== undefined || this.#now() >= this.#retryAtMs;
    if (this.#keys !== undefined && ageMs < STALE_MS) {
      if (mayFetch) this.#fetchOnce().catch(() => {});
      return this.#keys;
    }
    if (!mayFetch) throw new KeysUnavailableError('the keys of stream tokens could not be fetched a moment ago');
    return this.#fetchOnce();
  }

  #fetchOnce(): Promise<FindKey> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<FindKey> {
    try {
      const { keys } = await this.#download();
      this.#keys = createLocalJWKSet({ keys });
      this.#fetchedAtMs = this.#now();
      return this.#keys;
    } catch (cause) {
      const { origin, pathname } = new URL(this.#options.url);
      const err = cause instanceof Error ? (cause.cause ?? cause) : cause;
      const advice = 'tokens that need them are refused; check stream_token_jwks_url and the server behind it';
      this.#options.log.error({ url: origin + pathname, err }, `the keys of stream tokens can't be fetched: ${advice}`);
      throw new KeysUnavailableError('the keys of stream tokens can not be fetched', { cause });
    } finally {
      this.#retryAtMs = this.#now() + RETRY_MS;
    }
  }

  async #download(): Promise<JSONWebKeySet> {
    const { url, timeoutMs = TIMEOUT_MS } = this.#options;
    const response = await fetch(url, {
      headers: { accept: 'application/jwk-set+json, application/json' },
      // A redirect could lead to another host, or to one of the private network.
      redirect: 'error',
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`answered with ${response.status}`);
    }
    return parseKeySet(await readBounded(response));
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const body: AsyncIterable<Uint8Array> = response.body ?? new ReadableStream();
  for await (const chunk of body) {
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseKeySet(text: string): JSONWebKeySet {
  const value: unknown = JSON.parse(text);
  const keys: unknown = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : undefined;
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw new Error('the answer is no JWK set');
  const objects = keys.filter((key) => typeof key === 'object' && key !== null);
  return { keys: objects } as JSONWebKeySet;
}
