import { randomBytes } from 'node:crypto';
import { TestCounters, TestLog } from '../../../../core/testing/hub.ts';
import type { Endpoint } from '../../wire/stun/index.ts';
import type { Allocation } from '../allocation.ts';
import { Allocations } from '../allocations.ts';
import { Authenticator } from '../authenticator.ts';
import type { TurnClient, TurnTallies } from '../client.ts';
import { TurnCredentials } from '../credentials.ts';
import { Nonces } from '../nonces.ts';
import { resolveTurnLimits, type TurnLimits } from '../options.ts';
import { type Reception, TurnService } from '../service.ts';
import { ATTRIBUTE, METHOD, UDP_PROTOCOL } from '../wire/constants.ts';
import { type IntegrityKey, isIntegrityRight, longTermKey } from '../wire/integrity.ts';
import { readTurnMessage, type TurnMessage } from '../wire/read.ts';
import { TurnWriter } from '../wire/write.ts';
import { ScriptedPort } from './scripted-port.ts';

export const REALM = 'sluice';
export const USER = { name: 'flashphoner', password: 'secret word' };
export const SECRET = 'the secret of the server';
/** Of this server, as clients know it. */
export const OWN = '203.0.113.5';
export const OWN_IPV6 = '2001:db8::5';
/** Milliseconds since 1970 at the beginning of a test. */
export const BEGIN_UNIX_MS = 1_700_000_000_000;

export interface ScriptOptions {
  readonly maxAllocations?: number;
  readonly maxAllocationsPerAddress?: number;
  readonly limits?: Partial<TurnLimits>;
  readonly withoutIpv6?: boolean;
}

/** The service with a clock that a test moves, and media in memory. */
export class ScriptedService {
  nowMs = 5000;
  readonly port = new ScriptedPort(OWN, OWN_IPV6);
  readonly counters = new TestCounters();
  readonly log = new TestLog();
  readonly tallies: TurnTallies = { relayedIn: 0, relayedOut: 0, dropped: 0, malformed: 0 };
  readonly credentials = new TurnCredentials({ user: USER, secret: SECRET, credentialLifetimeS: 86_400 });
  readonly allocations: Allocations;
  readonly service: TurnService;

  constructor(options: ScriptOptions = {}) {
    const { port, tallies, counters, log } = this;
    const { maxAllocations = 100, maxAllocationsPerAddress = 10 } = options;
    const limits = resolveTurnLimits({ maxAllocations, maxAllocationsPerAddress, limits: options.limits });
    this.allocations = new Allocations({
      port,
      tallies,
      addresses: { IPv4: OWN, IPv6: options.withoutIpv6 === true ? undefined : OWN_IPV6 },
      maxAllocations,
      maxAllocationsPerAddress,
      maxPeers: limits.maxPeers,
    });
    const authenticator = new Authenticator({
      realm: REALM,
      credentials: this.credentials,
      nonces: new Nonces(),
      unixMs: () => this.unixMs,
    });
    const { allocations } = this;
    this.service = new TurnService({ port, allocations, authenticator, tallies, limits, counters, log });
  }

  get unixMs(): number {
    return BEGIN_UNIX_MS + this.nowMs;
  }

  /** Lets time go by, with the ticks in it. */
  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      this.nowMs += 1000;
      this.allocations.tick(this.nowMs);
    }
  }

  client(options: Partial<Pick<ScriptedClient, 'address' | 'port' | 'transport' | 'username' | 'password'>> = {}) {
    return new ScriptedClient(this, options);
  }
}

let ports = 40_000;

/** A client at an address of its own, and what it was sent. */
export class ScriptedClient implements TurnClient {
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly address: string;
  readonly port: number;
  readonly sent: Buffer[] = [];
  allocation: Allocation | undefined;
  isFull = false;
  isKept = false;
  username: string;
  password: string;
  realm = REALM;
  nonce: string | undefined;
  /** As in PASSWORD-ALGORITHM; undefined for clients older than that. */
  passwordAlgorithm: number | undefined;
  offered: Buffer | undefined;
  integrity: 'sha1' | 'sha256' = 'sha1';
  readonly #script: ScriptedService;

  constructor(
    script: ScriptedService,
    options: Partial<Pick<ScriptedClient, 'address' | 'port' | 'transport' | 'username' | 'password'>>,
  ) {
    this.#script = script;
    this.transport = options.transport ?? 'udp';
    this.address = options.address ?? '198.51.100.9';
    this.port = options.port ?? ports++;
    this.username = options.username ?? USER.name;
    this.password = options.password ?? USER.password;
  }

  get isStream(): boolean {
    return this.transport !== 'udp';
  }

  get key(): IntegrityKey {
    const { username, realm, password } = this;
    return { algorithm: this.integrity, key: longTermKey(this.passwordAlgorithm ?? 1, { username, realm, password }) };
  }

  answer(message: Buffer): void {
    this.sent.push(message);
  }

  relay(frame: Buffer): boolean {
    if (this.isFull) return false;
    this.sent.push(frame);
    return true;
  }

  keep(): void {
    this.isKept = true;
  }

  letGo(): void {
    this.isKept = false;
  }

  /** Hands bytes over as they are. */
  raw(bytes: Buffer): Reception {
    return this.#script.service.receive(this, bytes, this.#script.nowMs);
  }

  /** Sends a message as it is; the answer, if there was one. */
  send(message: Buffer): TurnMessage | undefined {
    const before = this.sent.length;
    this.raw(message);
    const answer = this.sent[before];
    return answer === undefined ? undefined : readTurnMessage(answer);
  }

  /** A request with the credential that the client has, begun but not signed. */
  begin(method: number, transactionId = randomBytes(12)): TurnWriter {
    const writer = new TurnWriter(method, 'request', transactionId);
    if (this.nonce === undefined) return writer;
    writer.text(ATTRIBUTE.username, this.username).text(ATTRIBUTE.realm, this.realm).text(ATTRIBUTE.nonce, this.nonce);
    if (this.offered !== undefined) writer.attribute(ATTRIBUTE.passwordAlgorithms, this.offered);
    if (this.passwordAlgorithm !== undefined)
      writer.attribute(ATTRIBUTE.passwordAlgorithm, Buffer.from([0, this.passwordAlgorithm, 0, 0]));
    return writer;
  }

  /** Signs and sends a request. @throws Error for a success that is not signed with the client's password */
  request(writer: TurnWriter): TurnMessage | undefined {
    const answer = this.send(writer.finish({ key: this.nonce === undefined ? undefined : this.key }));
    if (answer?.class === 'success' && !isIntegrityRight(answer, this.key.key)) throw new Error('not signed');
    if (answer?.nonce !== undefined) this.nonce = answer.nonce;
    return answer;
  }

  /** Gets a nonce, as with the first request of any client. */
  greet(): TurnMessage | undefined {
    return this.request(allocateOf(this.begin(METHOD.allocate)));
  }

  /** Greets and allocates. */
  allocate(extend: (writer: TurnWriter) => TurnWriter = (writer) => writer): TurnMessage | undefined {
    if (this.nonce === undefined) this.greet();
    return this.request(extend(allocateOf(this.begin(METHOD.allocate))));
  }

  refresh(lifetimeS: number): TurnMessage | undefined {
    return this.request(this.begin(METHOD.refresh).uint32(ATTRIBUTE.lifetime, lifetimeS));
  }

  permit(...peers: readonly Endpoint[]): TurnMessage | undefined {
    const writer = this.begin(METHOD.createPermission);
    for (const peer of peers) writer.address(ATTRIBUTE.xorPeerAddress, peer);
    return this.request(writer);
  }

  bind(channel: number, peer: Endpoint): TurnMessage | undefined {
    const number = Buffer.alloc(4);
    number.writeUInt16BE(channel);
    const writer = this.begin(METHOD.channelBind).attribute(ATTRIBUTE.channelNumber, number);
    return this.request(writer.address(ATTRIBUTE.xorPeerAddress, peer));
  }

  /** A Send indication. */
  sendTo(peer: Endpoint, datagram: Uint8Array): void {
    const writer = new TurnWriter(METHOD.send, 'indication', randomBytes(12));
    this.raw(writer.address(ATTRIBUTE.xorPeerAddress, peer).attribute(ATTRIBUTE.data, datagram).finish());
  }
}

function allocateOf(writer: TurnWriter): TurnWriter {
  return writer.attribute(ATTRIBUTE.requestedTransport, Buffer.from([UDP_PROTOCOL, 0, 0, 0]));
}
