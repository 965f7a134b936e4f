import { isIPv6 } from 'node:net';
import type { CounterName, Counters, Log } from '../../../core/index.ts';
import type { Ticker, TlsIdentity } from '../../../io/index.ts';
import { candidateAddresses } from '../transport/candidates.ts';
import type { DatagramPort } from '../transport/options.ts';
import type { IceServer } from '../whip/options.ts';
import { Admission } from './admission.ts';
import { Allocations } from './allocations.ts';
import { Authenticator } from './authenticator.ts';
import type { TurnTallies } from './client.ts';
import { type IssuedCredential, TurnCredentials } from './credentials.ts';
import { bindStream, bindUdp } from './listeners.ts';
import { Nonces } from './nonces.ts';
import { resolveTurnLimits, type TurnLimits, type TurnOptions } from './options.ts';
import { TurnService } from './service.ts';
import { StreamListener } from './stream-listener.ts';
import { UdpListener } from './udp-listener.ts';

export interface TurnDeps {
  /** The media that clients may reach, and nothing else. */
  readonly port: DatagramPort;
  readonly log: Log;
  readonly counters: Counters;
  readonly ticker: Ticker;
}

/** What a client needs to use the TURN server for a while. */
export interface TurnAccess extends IssuedCredential {
  readonly urls: readonly string[];
}

const SWEEP_INTERVAL_MS = 1000;
const TOLD: readonly (readonly [keyof TurnTallies, CounterName])[] = [
  ['relayedIn', 'turn_datagrams_received'],
  ['relayedOut', 'turn_datagrams_sent'],
  ['dropped', 'turn_datagrams_dropped'],
  ['malformed', 'turn_malformed'],
];

/**
 * A TURN server (RFC 8656, with long-term credentials of RFC 8489) by UDP, TCP and TLS that opens no ports for relayed
 * addresses: these are numbers only. What clients send to our own media is handed to it in this process, and what that
 * answers goes back; all other peers are refused. So it can't be used to get anywhere else, and needs no port to be
 * open but its own.
 *
 * @example
 * const turn = new TurnServer({ port: webrtc.mediaPort, log, counters, ticker }, turnOptions(settings, place));
 * await webrtc.start();
 * await turn.start();
 * new WhipMount('play', deps, { iceServers: (host) => turn.iceServers(host) });
 * await turn.close(); // before webrtc.close()
 */
export class TurnServer {
  readonly #deps: TurnDeps;
  readonly #options: TurnOptions;
  readonly #limits: TurnLimits;
  readonly #credentials: TurnCredentials;
  readonly #tallies: TurnTallies = { relayedIn: 0, relayedOut: 0, dropped: 0, malformed: 0 };
  readonly #told: TurnTallies = { ...this.#tallies };
  readonly #allocations: Allocations;
  readonly #service: TurnService;
  readonly #tcp: StreamListener | undefined;
  readonly #tls: StreamListener | undefined;
  #udp: readonly UdpListener[] = [];
  #tick: Disposable | undefined;
  #closing: Promise<void> | undefined;

  /** Without identity there is no TLS, whatever `securePort` says. */
  constructor(deps: TurnDeps, options: TurnOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#limits = resolveTurnLimits(options);
    this.#credentials = new TurnCredentials(options);
    const { port, counters, log } = deps;
    const tallies = this.#tallies;
    const { maxPeers } = this.#limits;
    const addresses = relayedAddresses(options);
    this.#allocations = new Allocations({ ...options, port, tallies, addresses, maxPeers });
    const authenticator = new Authenticator({
      realm: options.realm,
      credentials: this.#credentials,
      nonces: new Nonces(),
      unixMs: Date.now,
    });
    const limits = this.#limits;
    this.#service = new TurnService({
      port,
      allocations: this.#allocations,
      authenticator,
      tallies,
      limits,
      counters,
      log,
    });
    const admission = new Admission(limits, counters);
    this.#tcp = options.port === 0 ? undefined : this.#streams(admission, undefined);
    const { identity } = options;
    this.#tls = options.securePort === 0 || identity === undefined ? undefined : this.#streams(admission, identity);
  }

  /** UDP and TCP port; 0 before `start` and for none. */
  get port(): number {
    return this.#tcp?.port ?? 0;
  }

  /** TLS port; 0 before `start` and for none. */
  get securePort(): number {
    return this.#tls?.port ?? 0;
  }

  /** Clients of this moment. */
  get allocationCount(): number {
    return this.#allocations.size;
  }

  /** How much is held for clients, for tests and metrics. */
  get sizes(): { readonly allocations: number; readonly connections: number; readonly udpClients: number } {
    const connections = (this.#tcp?.connectionCount ?? 0) + (this.#tls?.connectionCount ?? 0);
    const udpClients = this.#udp.reduce((count, listener) => count + listener.clientCount, 0);
    return { allocations: this.#allocations.size, connections, udpClients };
  }

  /** @throws MediaServerError PORT_IN_USE; nothing is left open then */
  async start(): Promise<void> {
    const { host, port, securePort } = this.#options;
    try {
      if (port !== 0) this.#udp = await bindUdp(host, port, (family) => this.#datagrams(family));
      if (this.#tcp !== undefined) await bindStream(this.#tcp, { host, port, setting: 'turn_port' });
      if (this.#tls !== undefined) await bindStream(this.#tls, { host, port: securePort, setting: 'turns_port' });
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#tick = this.#deps.ticker.on((nowMs) => this.#onTick(nowMs), SWEEP_INTERVAL_MS);
  }

  /**
   * Takes another certificate for TLS connections from now on.
   * @throws Error for a pair that does not belong together; the former one stays
   */
  setIdentity(identity: TlsIdentity): void {
    this.#tls?.setIdentity(identity);
  }

  /**
   * A name and a password that are good for `ttlS` seconds, and where to use them.
   * @param host name or address by which the client reaches this server
   * @param unixMs milliseconds since 1970
   */
  issue(host: string, unixMs = Date.now()): TurnAccess {
    return { urls: this.#urls(host), ...this.#credentials.issue(unixMs) };
  }

  /** The same for `Link` headers and pages: TURN by UDP, TCP and TLS, and STUN. Empty before `start`. */
  iceServers(host: string, unixMs = Date.now()): readonly IceServer[] {
    const { urls, username, credential } = this.issue(host, unixMs);
    return urls.map((url) => (url.startsWith('stun:') ? { url } : { url, username, credential }));
  }

  /** Ends all allocations and connections; resolves when the ports are free. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#tick?.[Symbol.dispose]();
    this.#allocations.close();
    await Promise.all([...this.#udp, this.#tcp, this.#tls].map(async (listener) => listener?.close()));
    this.#tellCounts();
  }

  #urls(host: string): string[] {
    const at = isIPv6(host) ? `[${host}]` : host;
    const { port, securePort } = this;
    return [
      ...(port === 0 ? [] : [`turn:${at}:${port}?transport=udp`, `turn:${at}:${port}?transport=tcp`]),
      ...(securePort === 0 ? [] : [`turns:${at}:${securePort}?transport=tcp`]),
      ...(port === 0 ? [] : [`stun:${at}:${port}`]),
    ];
  }

  #datagrams(family: 4 | 6): UdpListener {
    return new UdpListener({
      family,
      maxQueuedBytes: this.#limits.maxUdpQueuedBytes,
      receive: (client, datagram, nowMs) => this.#service.receive(client, datagram, nowMs),
    });
  }

  #streams(admission: Admission, identity: TlsIdentity | undefined): StreamListener {
    return new StreamListener({
      identity,
      limits: this.#limits,
      admission,
      receive: (client, frame, nowMs) => this.#service.receive(client, frame, nowMs),
      onMalformed: () => this.#tallies.malformed++,
      onGone: (client) => this.#service.forget(client),
    });
  }

  #onTick(nowMs: number): void {
    this.#allocations.tick(nowMs);
    this.#tcp?.tick(nowMs);
    this.#tls?.tick(nowMs);
    this.#tellCounts();
  }

  #tellCounts(): void {
    for (const [tally, name] of TOLD) {
      const more = this.#tallies[tally] - this.#told[tally];
      this.#told[tally] = this.#tallies[tally];
      if (more > 0) this.#deps.counters.count(name, more);
    }
  }
}

/** The first of each family that clients know this server by, or might. */
function relayedAddresses({ host, addresses = [] }: TurnOptions): {
  readonly IPv4: string | undefined;
  readonly IPv6: string | undefined;
} {
  const known = candidateAddresses({
    port: 0,
    families: ['IPv4', 'IPv6'],
    bindAddress: host === '::' ? undefined : host,
    advertisedAddresses: addresses,
    offerLoopback: false,
  });
  return { IPv4: known.find((address) => !isIPv6(address)), IPv6: known.find(isIPv6) };
}
