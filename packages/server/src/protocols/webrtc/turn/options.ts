import type { TlsIdentity } from '../../../io/index.ts';

/** A TURN server (RFC 8656) that relays to this server's own WebRTC media and nowhere else. */
export interface TurnOptions {
  readonly host: string;
  /** UDP and TCP; 0 for none. */
  readonly port: number;
  /** TCP with TLS; 0 for none. Needs `identity`. */
  readonly securePort: number;
  readonly identity: TlsIdentity | undefined;
  readonly realm: string;
  /** The lasting user; undefined for none. */
  readonly user: { readonly name: string; readonly password: string } | undefined;
  /** From which time-limited names and passwords are made: `<unix time>:<anything>`, Base64 of its HMAC-SHA-1. */
  readonly secret: string;
  /** How long those are good that this server hands out, seconds. */
  readonly credentialLifetimeS: number;
  readonly maxAllocations: number;
  readonly maxAllocationsPerAddress: number;
  /** What this server is known as to clients, for relayed addresses. Default: what this machine's interfaces have. */
  readonly addresses?: readonly string[] | undefined;
  readonly limits?: Partial<TurnLimits> | undefined;
}

/** Bounds that hardly anybody has to change. */
export interface TurnLimits {
  /** Connections by TCP and TLS. Default twice the allocations, for those that have none yet. */
  readonly maxConnections: number;
  /** The same for one address. */
  readonly maxConnectionsPerAddress: number;
  /** A TLS handshake, and each frame of a connection, must be whole by then. Default 10 s. */
  readonly handshakeTimeoutMs: number;
  readonly frameTimeoutMs: number;
  /** A connection without allocation is closed after this. Default 15 s. */
  readonly idleTimeoutMs: number;
  /** What may wait in this process for one connection; further datagrams are dropped. Default 512 KiB. */
  readonly maxQueuedBytes: number;
  /** The same for all clients by UDP together. Default 16 MiB. */
  readonly maxUdpQueuedBytes: number;
  /** Peers that an allocation may have at a time, as permissions, channels and sources each. Default 32. */
  readonly maxPeers: number;
  /** Answers by UDP to requests that prove nothing, for one address: each second, and at once. Default 20 and 100. */
  readonly unprovenPerSecond: number;
  readonly unprovenBurst: number;
}

/** The limits with all defaults. */
export function resolveTurnLimits(
  options: Pick<TurnOptions, 'maxAllocations' | 'maxAllocationsPerAddress' | 'limits'>,
): TurnLimits {
  return Object.freeze({
    maxConnections: 2 * options.maxAllocations,
    maxConnectionsPerAddress: 2 * options.maxAllocationsPerAddress,
    handshakeTimeoutMs: 10_000,
    frameTimeoutMs: 10_000,
    idleTimeoutMs: 15_000,
    maxQueuedBytes: 512 * 1024,
    maxUdpQueuedBytes: 16 * 1024 * 1024,
    maxPeers: 32,
    unprovenPerSecond: 20,
    unprovenBurst: 100,
    ...options.limits,
  });
}
