import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose';
import { type Log, MediaServerError } from '../../core/index.ts';
import { KeysUnavailableError, RemoteKeys } from './remote-keys.ts';

/** What stream tokens are checked with; empty texts for what is not used. */
export interface StreamTokenOptions {
  /** `stream_token_secret`: for HS256, at least 32 bytes. */
  readonly secret: string;
  /** The text of the file `stream_token_public_key`: a PEM public key or certificate, RSA, P-256 or Ed25519. */
  readonly publicKeyPem: string;
  /** `stream_token_jwks_url`: where public keys are fetched from. */
  readonly jwksUrl: string;
  /** `stream_token_issuer`: what `iss` must be. */
  readonly issuer: string;
  /** `stream_token_audience`: what `aud` must be or have. */
  readonly audience: string;
  /** `stream_token_clock_tolerance`: how far the clock of who makes tokens may be off. */
  readonly clockToleranceSeconds: number;
}

/** What a token allows. */
export interface StreamClaims {
  /** Names, or masks with `*`. */
  readonly streams: readonly string[];
  readonly role: StreamTokenRole;
  /** Addresses and networks that it may be used from; empty for all. */
  readonly addresses: readonly string[];
}

export type StreamTokenRole = 'publish' | 'play' | 'both';

/** Why a token can't be used. `forged`: not signed by us. `unusable`: signed, and of no use now. */
export class StreamTokenError extends Error {
  readonly kind: 'forged' | 'unusable' | 'unavailable';

  constructor(kind: StreamTokenError['kind'], message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}

interface VerificationKey {
  /** The only ones that this key may be used with: a token can't choose how it is checked. */
  readonly algorithms: readonly string[];
  readonly key: KeyObject | JWTVerifyGetKey;
}

const MIN_SECRET_BYTES = 32;
const MAX_TOKEN_LENGTH = 8192;
const MAX_LIST = 100;
const PUBLIC_KEY_ALGORITHMS: readonly string[] = ['RS256', 'ES256', 'EdDSA', 'Ed25519'];

/** Checks stream tokens: JSON Web Tokens (RFC 7519) that say which streams their holder may publish or play. */
export class StreamTokens {
  readonly #keys: readonly VerificationKey[];
  readonly #options: StreamTokenOptions;
  readonly #remote: RemoteKeys | undefined;

  /** @throws MediaServerError CONFIG_INVALID for a key that can't be used */
  constructor(options: StreamTokenOptions, log: Log) {
    this.#options = options;
    const keys: VerificationKey[] = [];
    if (options.secret !== '') keys.push({ algorithms: ['HS256'], key: secretKey(options.secret) });
    if (options.publicKeyPem !== '') keys.push(publicKey(options.publicKeyPem));
    if (options.jwksUrl !== '') {
      this.#remote = new RemoteKeys({ url: options.jwksUrl, log });
      keys.push({ algorithms: PUBLIC_KEY_ALGORITHMS, key: this.#remote.find });
    }
    this.#keys = keys;
  }

  /** Whether there is any key to check with. */
  get configured(): boolean {
    return this.#keys.length > 0;
  }

  /**
   * The claims of a token that is signed with one of the keys and valid now.
   * @throws StreamTokenError; its message is for the client and tells nothing about keys
   */
  async verify(token: string): Promise<StreamClaims> {
    const algorithm = algorithmOf(token);
    const keys = this.#keys.filter(({ algorithms }) => algorithms.includes(algorithm));
    let failure: unknown;
    for (const key of keys) {
      try {
        return claimsOf(await this.#verifyWith(token, key, algorithm));
      } catch (error) {
        if (!isWrongKey(error)) throw asTokenError(error);
        failure = error;
      }
    }
    throw failure === undefined ? forged() : asTokenError(failure);
  }

  /** Ends what is under way. Idempotent. */
  close(): void {
    this.#remote?.close();
  }

  async #verifyWith(token: string, { key }: VerificationKey, algorithm: string): Promise<JWTPayload> {
    const { issuer, audience, clockToleranceSeconds } = this.#options;
    const options = {
      algorithms: [algorithm],
      requiredClaims: ['exp'],
      clockTolerance: clockToleranceSeconds,
      ...(issuer === '' ? {} : { issuer }),
      ...(audience === '' ? {} : { audience }),
    };
    const { payload } =
      typeof key === 'function' ? await jwtVerify(token, key, options) : await jwtVerify(token, key, options);
    return payload;
  }
}

/** What goes into a new token. */
export interface NewStreamToken {
  readonly stream: string;
  readonly role: StreamTokenRole;
  /** Seconds from now. */
  readonly expiresInSeconds: number;
  /** Address or network that it may be used from. */
  readonly ip?: string | undefined;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

/**
 * A stream token signed with the secret by HS256.
 * @throws MediaServerError CONFIG_INVALID when the secret is too short
 */
export function makeStreamToken(token: NewStreamToken, secret: string): Promise<string> {
  const { stream, role, ip, issuer, audience } = token;
  const nowSeconds = Math.floor(Date.now() / 1000);
  const jwt = new SignJWT({ stream, role, ...(ip === undefined ? {} : { ip }) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + token.expiresInSeconds);
  if (issuer) jwt.setIssuer(issuer);
  if (audience) jwt.setAudience(audience);
  return jwt.sign(secretKey(secret));
}

function secretKey(secret: string): KeyObject {
  const bytes = Buffer.from(secret, 'utf8');
  if (bytes.length < MIN_SECRET_BYTES)
    throw new MediaServerError(
      'CONFIG_INVALID',
      `stream_token_secret has ${bytes.length} bytes and needs at least ${MIN_SECRET_BYTES}: make one with "openssl rand -base64 32"`,
    );
  return createSecretKey(bytes);
}

function publicKey(pem: string): VerificationKey {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem))
    throw badPublicKey('it has a private key, which must stay with who makes the tokens');
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw badPublicKey(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= 2048) return { key, algorithms: ['RS256'] };
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return { key, algorithms: ['ES256'] };
  if (key.asymmetricKeyType === 'ed25519') return { key, algorithms: ['EdDSA', 'Ed25519'] };
  throw badPublicKey('it must be RSA of at least 2048 bits, P-256 or Ed25519');
}

function badPublicKey(why: string, cause?: unknown): MediaServerError {
  return new MediaServerError('CONFIG_INVALID', `can't use stream_token_public_key: ${why}`, { cause });
}

function algorithmOf(token: string): string {
  if (token.length > MAX_TOKEN_LENGTH) throw forged();
  try {
    const { alg } = decodeProtectedHeader(token);
    return typeof alg === 'string' ? alg : '';
  } catch (cause) {
    throw forged(cause);
  }
}

/** Another key, or newer keys, might still fit. */
function isWrongKey(error: unknown): boolean {
  return error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey;
}

function forged(cause?: unknown): StreamTokenError {
  return new StreamTokenError('forged', 'the stream token is not valid', { cause });
}

function asTokenError(error: unknown): StreamTokenError {
  if (error instanceof StreamTokenError) return error;
  const options = { cause: error };
  if (error instanceof errors.JWTExpired)
    return new StreamTokenError('unusable', 'the stream token has expired: get a new one', options);
  if (error instanceof errors.JWTClaimValidationFailed) {
    const early = error.claim === 'nbf' && error.reason === 'check_failed';
    return new StreamTokenError('unusable', `the stream token is not valid${early ? ' yet' : ''}`, options);
  }
  if (error instanceof KeysUnavailableError)
    return new StreamTokenError('unavailable', 'stream tokens can not be checked at the moment: try again', options);
  return forged(error);
}

/** Reads the claims of our own; whoever signed them may still have written nonsense. */
function claimsOf(payload: JWTPayload): StreamClaims {
  const streams = textList(payload['stream']);
  const role = payload['role'];
  const addresses = payload['ip'] === undefined ? [] : textList(payload['ip']);
  if (streams === undefined || streams.length === 0)
    throw new StreamTokenError('unusable', 'the stream token has no claim "stream" with the names of its streams');
  if (role !== 'publish' && role !== 'play' && role !== 'both')
    throw new StreamTokenError('unusable', 'the claim "role" of the stream token must be publish, play or both');
  if (addresses === undefined || (addresses.length === 0 && payload['ip'] !== undefined))
    throw new StreamTokenError('unusable', 'the claim "ip" of the stream token must be an address or a list of them');
  return { streams, role, addresses };
}

function textList(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return value === '' ? undefined : [value];
  if (!Array.isArray(value) || value.length > MAX_LIST) return undefined;
  return value.every((item): item is string => typeof item === 'string' && item !== '') ? value : undefined;
}
