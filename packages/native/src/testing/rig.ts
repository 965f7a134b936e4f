import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { parseRtp, type RtpPacket } from '@sluice/media';
import { afterEach, vi } from 'vitest';
import type { Egress, EgressOptions, LaneOptions, PeerKeys, RtpFormat } from '../egress.ts';
import { LaneBatch, type LanePacket } from '../lane-batch.ts';
import { openEgress } from '../open.ts';
import type { ReceivedBatch, ReceivedKind, TrackChange } from '../received-batch.ts';
import { SRTP_PROFILES, type SrtpMasterKey, type SrtpProfile, SrtpReceiver, SrtpSender } from '../srtp/index.ts';

export type Implementation = 'native' | 'typescript';
export const IMPLEMENTATIONS: readonly Implementation[] = ['native', 'typescript'];
export const PROFILES: readonly SrtpProfile[] = ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'];
export const HOST = '127.0.0.1';

/** What a port was given, taken apart. */
export interface Came {
  readonly kind: ReceivedKind;
  readonly peer: number;
  readonly bytes: string;
  readonly from: string;
  readonly change: TrackChange | undefined;
  /** Of a record `sent`: number, bytes and mark of each packet. */
  readonly sent: readonly (readonly [number: number, bytes: number, mark: number])[];
}

export interface OpenPort {
  readonly egress: Egress;
  readonly came: Came[];
}

/** What is to be closed after the test, ports before clients. */
const ports: Egress[] = [];
const clients: Client[] = [];

/** Closes all ports and clients of a test, however it ends. Call once in a file. */
export function cleanUpAfterEach(): void {
  afterEach(async () => {
    await Promise.all(ports.splice(0).map((egress) => egress.close()));
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
}

const SETTING = 'SLUICE_NATIVE';

/** Opens a port by that implementation. Fails where the addon is wanted and not to be had. */
export async function openPort(implementation: Implementation, more: Partial<EgressOptions> = {}): Promise<OpenPort> {
  const came: Came[] = [];
  const onReceived = (batch: ReceivedBatch): void => {
    for (let i = 0; i < batch.count; i = batch.after(i)) came.push(taken(batch, i));
  };
  const before = process.env[SETTING];
  if (implementation === 'typescript') process.env[SETTING] = 'off';
  const opening = openEgress({ address: HOST, port: 0, onReceived, ...more });
  if (before === undefined) delete process.env[SETTING];
  else process.env[SETTING] = before;
  const egress = await opening;
  ports.push(egress);
  if (egress.implementation !== implementation) throw new Error(`no ${implementation}: ${egress.reason}`);
  return { egress, came };
}

function taken(batch: ReceivedBatch, at: number): Came {
  const kind = batch.kind(at);
  const isChange = kind === 'dropped' || kind === 'resumed';
  const hasBytes = !isChange && kind !== 'sent';
  const count = kind === 'sent' ? batch.sentCount(at) : 0;
  const sent = Array.from({ length: count }, (_, packet) => {
    const [bytes, mark] = [batch.sentBytes(at, packet), batch.sentMark(at, packet)];
    return [batch.sentFrom(at) + packet, bytes, mark] as const;
  });
  return {
    kind,
    peer: batch.peer(at),
    bytes: hasBytes ? batch.bytes(at).toString('hex') : '',
    from: hasBytes ? `${batch.address(at)} ${batch.port(at)}` : '',
    change: isChange ? batch.change(at) : undefined,
    sent,
  };
}

export function masterKey(profile: SrtpProfile): SrtpMasterKey {
  return { key: randomBytes(16), salt: randomBytes(SRTP_PROFILES[profile].salt) };
}

/** A client with a socket of its own, who opens what it is sent with our TypeScript. */
export class Client {
  readonly keys: PeerKeys;
  /** What came, as it came. */
  readonly sealed: Buffer[] = [];
  readonly packets: RtpPacket[] = [];
  readonly rtcp: string[] = [];
  readonly other: string[] = [];
  unopened = 0;
  readonly socket: Socket;
  readonly receiver: SrtpReceiver;
  readonly sender: SrtpSender;

  private constructor(profile: SrtpProfile, socket: Socket) {
    this.keys = { profile, send: masterKey(profile), receive: masterKey(profile) };
    this.receiver = new SrtpReceiver(profile, this.keys.send);
    this.sender = new SrtpSender(profile, this.keys.receive as SrtpMasterKey);
    this.socket = socket;
    socket.on('message', (datagram) => this.#take(datagram));
  }

  static async open(profile: SrtpProfile = 'AEAD_AES_128_GCM', host = HOST): Promise<Client> {
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 4 * 1024 * 1024 });
    await new Promise<void>((resolve) => socket.bind(0, host, resolve));
    const client = new Client(profile, socket);
    clients.push(client);
    return client;
  }

  get port(): number {
    return this.socket.address().port;
  }

  /** Becomes a peer of that port and gives its id. */
  join(egress: Egress, more: Partial<PeerKeys> = {}): number {
    const peer = egress.addPeer({ ...this.keys, ...more });
    egress.setAddress(peer, this.socket.address().address, this.port);
    return peer;
  }

  send(egress: Egress, datagram: Uint8Array): void {
    this.socket.send(datagram, egress.port, egress.address);
  }

  numbers(ssrc: number): number[] {
    return this.packets.filter((packet) => packet.ssrc === ssrc).map(({ sequence }) => sequence);
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }

  #take(datagram: Buffer): void {
    const [first = 0, second = 0] = datagram;
    this.sealed.push(Buffer.from(datagram));
    if (first < 128) {
      this.other.push(datagram.toString('hex'));
      return;
    }
    const isRtcp = second >= 192 && second <= 223;
    const opened = isRtcp ? this.receiver.unprotectRtcp(datagram) : this.receiver.unprotectRtp(datagram);
    if (opened === undefined) this.unopened++;
    else if (isRtcp) this.rtcp.push(opened.toString('hex'));
    else this.packets.push(parseRtp(opened));
  }
}

export const PICTURES: LaneOptions = { maxPackets: 1024, maxBytes: 4_000_000, maxAgeMs: 60_000, prompt: false };
export const SOUND: LaneOptions = { ...PICTURES, maxPackets: 256, prompt: true };

export function format(more: Partial<RtpFormat> = {}): RtpFormat {
  return { ssrc: 1111, payloadType: 96, timestampOffset: 0, ...more };
}

/** A packet whose payload follows from its number. */
export function lanePacket(sequence: number, more: Partial<LanePacket> & { readonly bytes?: number } = {}): LanePacket {
  const { bytes = 200, ...rest } = more;
  const payload = Uint8Array.from({ length: bytes }, (_, i) => (sequence * 31 + i) & 0xff);
  return { sequence, timestamp: sequence * 3000, marker: true, startPoint: false, payload, ...rest };
}

/** A picture of so many packets, full ones and a short last: one run for GSO. */
export function frame(
  first: number,
  packets: number,
  more: { readonly timestamp: number; readonly startPoint?: boolean },
): LanePacket[] {
  return Array.from({ length: packets }, (_, i) =>
    lanePacket(first + i, {
      timestamp: more.timestamp,
      startPoint: i === 0 && more.startPoint === true,
      marker: i === packets - 1,
      bytes: i === packets - 1 ? 300 : 1150,
    }),
  );
}

export function pushAll(egress: Egress, lane: number, packets: readonly LanePacket[]): void {
  const batch = new LaneBatch();
  for (const packet of packets) batch.add(packet);
  egress.push(lane, batch);
}

export function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Waits until it holds; asks often, so that tests are quick. */
export function until(holds: () => boolean): Promise<void> {
  return vi.waitFor(
    () => {
      if (!holds()) throw new Error('not yet');
    },
    { interval: 2 },
  );
}
