import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import type * as Sdk from '@aws-sdk/client-s3';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { MediaServerError } from '../core/index.ts';
import { OutboundGuard } from '../io/index.ts';
import type { S3Credentials } from './credentials.ts';

export type S3Sdk = typeof Sdk;

/** A server to speak with. */
export interface S3Endpoint {
  /** Origin, `https://host:port`; undefined for Amazon. */
  readonly endpoint: string | undefined;
  /** The bucket is in the path of addresses. Amazon has it in the host in any case. */
  readonly pathStyle: boolean;
  /** The settings name it, so that it may be in a private network. */
  readonly trusted: boolean;
}

/** A client that is being used. */
export interface ClientLease extends Disposable {
  readonly sdk: S3Sdk;
  readonly client: S3Client;
}

export interface S3ClientsOptions {
  /** Connections to one server. */
  readonly maxSockets: number;
  /** Servers that are spoken with at the same time. */
  readonly maxEndpoints: number;
  readonly connectTimeoutMs: number;
  /** A connection on which nothing happens for this long is given up. */
  readonly idleTimeoutMs: number;
  /** Judges servers that the settings do not name: `withoutPrivateNetworks` of the guard of the settings. */
  readonly outbound: OutboundGuard;
}

export const DEFAULT_CLIENTS_OPTIONS: S3ClientsOptions = {
  maxSockets: 64,
  maxEndpoints: 32,
  connectTimeoutMs: 5000,
  idleTimeoutMs: 60_000,
  outbound: new OutboundGuard().withoutPrivateNetworks,
};
/** Clients without a user that are kept for the next one. */
const MAX_IDLE = 4;

interface Shared {
  readonly client: S3Client;
  users: number;
}

/** One client of S3 for each server, shared by all who speak with it. The library is loaded when it is first needed. */
export class S3Clients {
  readonly #credentials: S3Credentials | undefined;
  readonly #options: S3ClientsOptions;
  readonly #shared = new Map<string, Shared>();
  #closed = false;

  constructor(credentials: S3Credentials | undefined, options: Partial<S3ClientsOptions> = {}) {
    this.#credentials = credentials;
    this.#options = { ...DEFAULT_CLIENTS_OPTIONS, ...options };
  }

  /** Clients that there are. */
  get size(): number {
    return this.#shared.size;
  }

  /**
   * Gives the client of a server; dispose of the lease when it is no longer used.
   * @throws MediaServerError FILE_UNREADABLE without credentials, for a server in a private network, or for too many
   */
  async lease(endpoint: S3Endpoint): Promise<ClientLease> {
    const sdk = await import('@aws-sdk/client-s3');
    if (this.#closed) throw new MediaServerError('FILE_UNREADABLE', 'the server stops');
    const key = `${endpoint.endpoint ?? ''} ${endpoint.pathStyle} ${endpoint.trusted}`;
    const shared = this.#shared.get(key) ?? (await this.#make(sdk, endpoint, key));
    shared.users++;
    let released = false;
    return {
      sdk,
      client: shared.client,
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        shared.users--;
        this.#dropIdle(MAX_IDLE);
      },
    };
  }

  /** Ends all connections; what uses them fails. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const { client } of this.#shared.values()) client.destroy();
    this.#shared.clear();
  }

  async #make(sdk: S3Sdk, endpoint: S3Endpoint, key: string): Promise<Shared> {
    const { NodeHttpHandler } = await import('@smithy/node-http-handler');
    const present = this.#shared.get(key);
    if (present !== undefined) return present;
    if (this.#shared.size >= this.#options.maxEndpoints) this.#dropIdle(0);
    if (this.#closed || this.#shared.size >= this.#options.maxEndpoints) {
      throw new MediaServerError('FILE_UNREADABLE', 'files of too many S3 servers are open at the same time');
    }
    const handler = new NodeHttpHandler(this.#handlerOptions(endpoint));
    const shared = { client: new sdk.S3Client(this.#clientOptions(endpoint, handler)), users: 0 };
    this.#shared.set(key, shared);
    return shared;
  }

  #clientOptions(
    { endpoint, pathStyle }: S3Endpoint,
    requestHandler: NonNullable<S3ClientConfig['requestHandler']>,
  ): S3ClientConfig {
    if (this.#credentials === undefined) {
      throw new MediaServerError('FILE_UNREADABLE', 'there are no credentials for S3, set aws_s3_credentials');
    }
    const { region, accessKeyId, secretAccessKey } = this.#credentials;
    return {
      region,
      credentials: { accessKeyId, secretAccessKey },
      ...(endpoint === undefined ? { followRegionRedirects: true } : { endpoint, forcePathStyle: pathStyle }),
      // We try again ourselves, because a body that was half read or sent goes on where it was.
      maxAttempts: 1,
      // CRC trailers are Amazon's own; Content-MD5 is understood everywhere.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler,
    };
  }

  #handlerOptions({ endpoint, trusted }: S3Endpoint) {
    const { maxSockets, connectTimeoutMs, idleTimeoutMs, outbound } = this.#options;
    const foreign = endpoint !== undefined && !trusted;
    if (foreign) refuseDenied(endpoint, outbound);
    const { lookup } = outbound;
    const agent = { keepAlive: true, maxSockets, maxFreeSockets: 8, ...(foreign ? { lookup } : {}) };
    return {
      httpAgent: new Agent(agent),
      httpsAgent: new SecureAgent(agent),
      connectionTimeout: connectTimeoutMs,
      socketTimeout: idleTimeoutMs,
      // Many files may wait for their turn; that is no reason for a warning on stdout.
      socketAcquisitionWarningTimeout: 3_600_000,
    };
  }

  #dropIdle(keep: number): void {
    let idle = [...this.#shared.values()].filter(({ users }) => users === 0).length;
    for (const [key, { client, users }] of this.#shared) {
      if (idle <= keep) return;
      if (users > 0) continue;
      client.destroy();
      this.#shared.delete(key);
      idle--;
    }
  }
}

/** Names are looked up and judged when they are connected to, addresses here. */
function refuseDenied(endpoint: string, outbound: OutboundGuard): void {
  const refusal = outbound.hostRefusal(new URL(endpoint).hostname);
  if (refusal === undefined) return;
  throw new MediaServerError('FILE_UNREADABLE', `${endpoint}: ${refusal.message}; or name it in vod_s3_endpoints`);
}
