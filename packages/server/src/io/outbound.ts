import { promises as dns, type LookupAddress, type LookupAllOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { OutboundPolicy, type OutboundPolicyOptions } from './outbound-policy.ts';

export interface OutboundGuardOptions extends OutboundPolicyOptions {
  /** Schemes of addresses that may be connected to, without colon. */
  readonly schemes: readonly string[];
  /** A name that is not resolved within this time is unknown, milliseconds. */
  readonly lookupTimeoutMs: number;
}

export const DEFAULT_OUTBOUND_OPTIONS: OutboundGuardOptions = {
  schemes: 'rtsp rtsps rtsph rtspu rtmp rtmps ws wss whip whips whep wheps srt udp'.split(' '),
  privateNetworks: 'allow',
  allowed: [],
  // Where clouds keep the secrets of a machine.
  denied: ['169.254.169.254', 'fd00:ec2::254'],
  lookupTimeoutMs: 10_000,
};

/** Why nothing is to be connected to. The same codes as in the table of the server's errors. */
export type OutboundErrorCode = 'URL_INVALID' | 'URL_DENIED' | 'HOST_UNKNOWN';

/** An address that can not, or may not, be connected to. `message` is for people, and has no credentials. */
export class OutboundError extends Error {
  readonly code: OutboundErrorCode;

  constructor(code: OutboundErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'OutboundError';
    this.code = code;
  }
}

/** What may be connected to: see `OutboundAddress` of core. */
export interface GuardedAddress {
  readonly host: string;
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number | undefined;
}

/** Resolves a name to all its addresses. */
export type HostLookup = (host: string, options: LookupAllOptions) => Promise<LookupAddress[]>;

const MAX_URL_LENGTH = 4096;
const MAX_HOST_LENGTH = 253;
// biome-ignore lint/suspicious/noControlCharactersInRegex: parsers of URLs leave them out; others would not.
const NOT_IN_URLS = /[\u0000-\u0020\u007f]/;

/**
 * Stands between addresses that callers give and connections to them: names are resolved once, all their addresses are
 * judged, and what comes back is to be connected to instead of the name, so that it can't become another one.
 */
export class OutboundGuard {
  readonly options: OutboundGuardOptions;
  readonly #policy: OutboundPolicy;
  readonly #lookupHost: HostLookup;
  readonly #schemes: ReadonlySet<string>;

  constructor(options: Partial<OutboundGuardOptions> = {}, lookupHost: HostLookup = dns.lookup) {
    this.options = { ...DEFAULT_OUTBOUND_OPTIONS, ...options };
    this.#policy = new OutboundPolicy(this.options);
    this.#lookupHost = lookupHost;
    this.#schemes = new Set(this.options.schemes.map((scheme) => scheme.toLowerCase()));
  }

  /** The same rules, but private networks are denied. For addresses that come from viewers. */
  get withoutPrivateNetworks(): OutboundGuard {
    return new OutboundGuard({ ...this.options, privateNetworks: 'deny' }, this.#lookupHost);
  }

  /**
   * The address to connect to: the first one of the host that is not denied, IPv4 before IPv6.
   * @throws OutboundError
   */
  async resolve(url: string): Promise<GuardedAddress> {
    const { host, port } = this.#parse(url);
    const [first] = await this.#addressesOf(host, {});
    if (first === undefined) throw unknownHost(host);
    return { host, address: first.address, family: first.family === 6 ? 6 : 4, port };
  }

  /**
   * Looks a host up as `dns.lookup` does, for `lookup` of sockets and agents, and leaves denied addresses out. Sockets do
   * not look up hosts that are addresses: these are to be checked by {@link hostRefusal}.
   */
  readonly lookup: LookupFunction = (host, options, callback) => {
    const family =
      options.family === 4 || options.family === 'IPv4' ? 4 : options.family === 6 || options.family === 'IPv6' ? 6 : 0;
    this.#addressesOf(host, { family }).then(
      (found) => {
        const [first] = found;
        if (first === undefined) callback(unknownHost(host), '', 0);
        else if (options.all === true) callback(null, found);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, '', 0),
    );
  };

  /** Why a host of a URL may not be connected to when it is an address, however it is spelt; names are judged later. */
  hostRefusal(host: string): OutboundError | undefined {
    const plain = plainHost(host);
    if (plain === undefined) return new OutboundError('URL_INVALID', `"${shortened(host)}" is no host`);
    const refusal = isIP(plain) === 0 ? undefined : this.#policy.refusal(plain);
    return refusal === undefined ? undefined : new OutboundError('URL_DENIED', refusal);
  }

  #parse(url: string): { readonly host: string; readonly port: number | undefined } {
    if (url.length > MAX_URL_LENGTH || NOT_IN_URLS.test(url))
      throw new OutboundError('URL_INVALID', 'the address is too long, or has spaces or control characters in it');
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    const scheme = parsed?.protocol.slice(0, -1);
    if (scheme !== undefined && !this.#schemes.has(scheme))
      throw new OutboundError('URL_DENIED', `addresses of ${shortened(scheme)}: are not allowed (outbound_schemes)`);
    const host = parsed && plainHost(parsed.hostname);
    if (parsed === undefined || host === undefined) {
      throw new OutboundError(
        'URL_INVALID',
        'the address can not be read; write special characters of a user or password as %40 for @, %2F for /, %3A for :',
      );
    }
    return { host, port: parsed.port === '' ? undefined : Number(parsed.port) };
  }

  /** Addresses of a host that may be connected to, IPv4 first. @throws OutboundError when there is none */
  async #addressesOf(host: string, options: { readonly family?: 0 | 4 | 6 }): Promise<LookupAddress[]> {
    const found = await this.#find(host, options);
    const refusals = found.map(({ address }) => this.#policy.refusal(address));
    const allowed = found.filter((_, i) => refusals[i] === undefined);
    const [refusal] = refusals;
    if (allowed.length > 0) return allowed.sort((a, b) => a.family - b.family);
    if (refusal === undefined) throw unknownHost(host);
    throw new OutboundError('URL_DENIED', isIP(host) === 0 ? `${host}: ${refusal}` : refusal);
  }

  async #find(host: string, { family = 0 }: { readonly family?: 0 | 4 | 6 }): Promise<LookupAddress[]> {
    const known = isIP(host);
    if (known !== 0) return [{ address: host, family: known }];
    const { lookupTimeoutMs } = this.options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new OutboundError('HOST_UNKNOWN', `${host} was not resolved within ${lookupTimeoutMs} ms`);
      timer = setTimeout(() => reject(error), lookupTimeoutMs);
    });
    try {
      return await Promise.race([this.#lookupHost(host, { all: true, family }), late]);
    } catch (error) {
      throw error instanceof OutboundError ? error : unknownHost(host, error);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A host as one spells it: numbers as dotted IPv4, IPv6 without brackets, no dot at the end; undefined for none. */
function plainHost(host: string): string | undefined {
  const bare = isIP(host) === 6 ? `[${host}]` : host.replace(/\.+$/, '');
  // Of schemes that the parser of URLs does not know it leaves hosts as they are; of this one it makes what sockets know.
  if (bare === '' || /[/?#@\\:]/.test(bare.replace(/^\[.*\]$/, '')) || !URL.canParse(`http://${bare}/`))
    return undefined;
  const { hostname } = new URL(`http://${bare}/`);
  const plain = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.+$/, '');
  return plain === '' || plain.length > MAX_HOST_LENGTH ? undefined : plain;
}

function unknownHost(host: string, cause?: unknown): OutboundError {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  const why = code === undefined ? '' : ` (${code})`;
  return new OutboundError('HOST_UNKNOWN', `the host ${host} is not known${why}`, { cause });
}

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
