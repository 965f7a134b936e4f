import { isIP } from 'node:net';
import { type Counters, type Fields, type Log, MediaServerError } from '../../core/index.ts';
import { plainAddress, RateLimiter } from '../../io/index.ts';
import { AddressList } from './address-list.ts';
import { AttemptLimiter, type AttemptLimits } from './attempt-limiter.ts';
import { fitsMask } from './mask.ts';
import { OriginList } from './origin-list.ts';
import { type StreamClaims, StreamTokenError, type StreamTokenOptions, StreamTokens } from './stream-tokens.ts';

/** What the settings say about who may publish and play. */
export interface GatekeeperOptions {
  /** `stream_token_required`. */
  readonly tokenRequired: 'off' | 'publish' | 'play' | 'both';
  readonly tokens: StreamTokenOptions;
  /** `client_acl_property_name`: the custom field that has the token; empty for `token`. */
  readonly tokenField: string;
  /** `publish_allowed_ips` and `play_allowed_ips`: addresses and networks, empty for all. */
  readonly publishAllowedIps: readonly string[];
  readonly playAllowedIps: readonly string[];
  /** `allow_domains`. */
  readonly allowDomains: readonly string[];
}

/** Who wants to publish or play what. */
export interface GateQuestion {
  readonly kind: 'publish' | 'play';
  readonly protocol: string;
  readonly streamName: string;
  /** An address, with or without a port. */
  readonly remoteAddress: string;
  /** The client's own words, the stream's over those of the connection. */
  readonly custom: Fields;
  readonly appKey: string;
}

const DEFAULT_FIELD = 'token';

/** A token's signature can't be guessed; this only keeps checking it from becoming work, also for a whole office. */
const TOKEN_LIMITS: AttemptLimits = { free: 20, firstWaitMs: 500, longestWaitMs: 30_000, forgetMs: 5 * 60_000 };

/**
 * Decides what the settings alone can decide about publishing and playing: by stream token, by address, by the page
 * that a client runs in. It stands before the application's back end, which is not asked about who is refused here.
 */
export class Gatekeeper {
  readonly #options: GatekeeperOptions;
  readonly #tokens: StreamTokens;
  readonly #addresses: { readonly publish: AddressList; readonly play: AddressList };
  readonly #origins: OriginList;
  readonly #limiter: AttemptLimiter;
  readonly #log: Log;
  readonly #counters: Counters;
  readonly #logLimit = new RateLimiter(2);

  /** @throws MediaServerError CONFIG_INVALID for keys that can't be used, or when tokens are required without a key */
  constructor(
    options: GatekeeperOptions,
    deps: { readonly log: Log; readonly counters: Counters; readonly limiter?: AttemptLimiter | undefined },
  ) {
    this.#options = options;
    this.#log = deps.log;
    this.#counters = deps.counters;
    this.#tokens = new StreamTokens(options.tokens, deps.log);
    if (options.tokenRequired !== 'off' && !this.#tokens.configured)
      throw new MediaServerError(
        'CONFIG_INVALID',
        `stream_token_required=${options.tokenRequired} needs stream_token_secret, stream_token_public_key or stream_token_jwks_url`,
      );
    this.#addresses = {
      publish: addressList('publish_allowed_ips', options.publishAllowedIps),
      play: addressList('play_allowed_ips', options.playAllowedIps),
    };
    this.#origins = new OriginList(options.allowDomains);
    this.#limiter = deps.limiter ?? new AttemptLimiter(TOKEN_LIMITS);
  }

  /** Whether a client with that `Origin` header may connect (`allow_domains`); one without it is no browser and may. */
  allowsOrigin(origin: string | undefined): boolean {
    return this.#origins.allows(origin);
  }

  /**
   * Resolves when that client may publish or play.
   * @throws MediaServerError TOKEN_REQUIRED, ACCESS_DENIED or TOO_MANY_ATTEMPTS; `message` is for the client
   */
  async check(question: GateQuestion): Promise<void> {
    try {
      await this.#check(question);
    } catch (error) {
      if (error instanceof MediaServerError) this.#tell(question, error);
      throw error;
    }
  }

  /** Ends what is under way. Idempotent. */
  close(): void {
    this.#tokens.close();
  }

  async #check(question: GateQuestion): Promise<void> {
    const { kind, custom } = question;
    const address = addressOf(question.remoteAddress);
    const list = this.#addresses[kind];
    if (list.size > 0 && !list.has(address))
      throw new MediaServerError('ACCESS_DENIED', `your address may not ${kind} on this server`);
    const { tokenRequired } = this.#options;
    if (tokenRequired !== 'both' && tokenRequired !== kind) return;
    const claims = await this.#claims(this.#tokenOf(custom, kind), address);
    checkClaims(claims, question, address);
  }

  /** The named field counts first; WHIP, WHEP and old HLS addresses have their token in `token` whatever it is called. */
  #tokenOf(custom: Fields, kind: string): string {
    const field = this.#options.tokenField || DEFAULT_FIELD;
    for (const name of [field, DEFAULT_FIELD]) {
      const value = Object.hasOwn(custom, name) ? custom[name] : undefined;
      if (typeof value === 'string' && value !== '') return value;
    }
    throw new MediaServerError('TOKEN_REQUIRED', `a stream token is needed to ${kind}: send it as "${field}"`);
  }

  async #claims(token: string, address: string): Promise<StreamClaims> {
    const attempt = this.#limiter.begin(address);
    if (typeof attempt === 'number') {
      this.#counters.count('auth_slowed');
      const seconds = Math.ceil(attempt / 1000);
      throw new MediaServerError('TOO_MANY_ATTEMPTS', `too many stream tokens that are not valid: wait ${seconds} s`);
    }
    try {
      const claims = await this.#tokens.verify(token);
      attempt.succeeded();
      return claims;
    } catch (error) {
      const forged = error instanceof StreamTokenError && error.kind === 'forged';
      // Who shows an expired token has guessed nothing; a page left open must not lock its office out.
      if (forged) attempt.failed();
      else attempt.abandoned();
      if (forged) this.#counters.count('auth_failed');
      if (!(error instanceof StreamTokenError)) throw error;
      const code = error.kind === 'unavailable' ? 'ACCESS_DENIED' : 'TOKEN_REQUIRED';
      throw new MediaServerError(code, error.message, { cause: error });
    }
  }

  #tell({ kind, protocol, streamName, remoteAddress, appKey }: GateQuestion, error: MediaServerError): void {
    this.#counters.count('gate_refused');
    const suppressed = this.#logLimit.take();
    if (suppressed < 0) return;
    const { code, message: why } = error;
    this.#log.warn({ kind, protocol, stream: streamName, remoteAddress, appKey, code, why, suppressed }, 'refused');
  }
}

function addressList(setting: string, entries: readonly string[]): AddressList {
  try {
    return new AddressList(entries);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MediaServerError('CONFIG_INVALID', `${setting}: ${why}`, { cause });
  }
}

function checkClaims({ streams, role, addresses }: StreamClaims, question: GateQuestion, address: string): void {
  const { kind, streamName } = question;
  if (role !== 'both' && role !== kind)
    throw new MediaServerError('ACCESS_DENIED', `the stream token is not for the role "${kind}"`);
  if (!streams.some((mask) => fitsMask(mask, streamName)))
    throw new MediaServerError('ACCESS_DENIED', 'the stream token is for another stream');
  if (addresses.length > 0 && !isAmong(addresses, address))
    throw new MediaServerError('ACCESS_DENIED', 'the stream token is for another address');
}

/** An entry that is no address allows none: a token that can't be read must not be wider than it was meant. */
function isAmong(entries: readonly string[], address: string): boolean {
  try {
    return new AddressList(entries).has(address);
  } catch {
    return false;
  }
}

/** The address of `1.2.3.4`, `1.2.3.4:5`, `[::1]:5` and the like. */
function addressOf(remote: string): string {
  const host = isIP(remote) === 0 ? remote.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1') : remote;
  return plainAddress(host);
}
