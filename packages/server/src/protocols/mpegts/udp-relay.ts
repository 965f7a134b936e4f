import { createSocket, type Socket } from 'node:dgram';
import { type Codec, codecTitle, type Track } from '@sluice/media';
import {
  type Adaptations,
  type AdaptedStream,
  type DropReason,
  MediaServerError,
  type OutboundAddress,
  type PushAttempt,
  playerAcceptance,
  type Reader,
  type RelayDirection,
  type RelayEnd,
  type RelayEndCode,
  type RelayLink,
  type RelayLinkFacts,
  type RelayProtocol,
} from '../../core/index.ts';
import { TsFormat } from './packager.ts';

/** Seven transport packets, as everybody sends them: they fit in one frame of Ethernet. */
const DATAGRAM_BYTES = 7 * 188;
/** More than this may not wait in this process: the machine can't send so fast. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
const MAX_TTL = 255;

export interface UdpRelayDeps {
  readonly adaptations: Adaptations;
}

/**
 * Sends streams as MPEG-TS by UDP: `udp://host:port`, also to multicast groups (`?ttl=4`). UDP tells nothing of the other
 * side: a link lasts as long as its stream. What comes by UDP is not pulled but sent to a port of `TransportStreams`.
 */
export class UdpRelayProtocol implements RelayProtocol {
  readonly protocol = 'mpegts';
  readonly mediaProvider = 'MPEGTS';
  readonly schemes = ['udp'];
  readonly #deps: UdpRelayDeps;

  constructor(deps: UdpRelayDeps) {
    this.#deps = deps;
  }

  check(url: string, _direction: RelayDirection): void {
    ttlOf(url);
  }

  push(attempt: PushAttempt): RelayLink {
    return new UdpLink(attempt, this.#deps);
  }
}

/** @throws MediaServerError URL_INVALID */
function ttlOf(url: string): number | undefined {
  if (!URL.canParse(url)) throw new MediaServerError('URL_INVALID', 'an address for UDP is udp://host:port');
  const { port, searchParams } = new URL(url);
  if (port === '') throw new MediaServerError('URL_INVALID', 'an address for UDP needs a port: udp://host:port');
  const ttl = searchParams.get('ttl');
  if (ttl === null) return undefined;
  if (!/^\d{1,3}$/.test(ttl) || Number(ttl) > MAX_TTL)
    throw new MediaServerError('URL_INVALID', 'ttl of an address for UDP is 0 to 255');
  return Number(ttl);
}

class UdpLink implements RelayLink {
  readonly ended: Promise<RelayEnd>;
  readonly #attempt: PushAttempt;
  readonly #deps: UdpRelayDeps;
  #resolve: (end: RelayEnd) => void = () => {};
  #socket: Socket | undefined;
  #lease: AdaptedStream | undefined;
  #reader: Reader | undefined;
  #format: TsFormat | undefined;
  #remoteAddress = '';
  #pending = Buffer.allocUnsafe(DATAGRAM_BYTES);
  #pendingBytes = 0;
  #bytesOut = 0;
  #packets = 0;
  #notCarried = 0;
  readonly #leftOut = new Set<Codec>();
  #slow = 0;
  /** Too much waits: nothing goes out before the next key picture. */
  #skipping = false;
  #over = false;

  constructor(attempt: PushAttempt, deps: UdpRelayDeps) {
    this.#attempt = attempt;
    this.#deps = deps;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    void this.#start();
  }

  facts(): RelayLinkFacts {
    const drops: Partial<Record<DropReason, number>> = {
      not_carried: this.#notCarried,
      slow_viewer: this.#slow + (this.#reader?.dropped ?? 0),
      broken: this.#format?.broken ?? 0,
    };
    return {
      remoteAddress: this.#remoteAddress,
      transport: 'UDP',
      bytesIn: 0,
      bytesOut: this.#bytesOut,
      packets: this.#packets,
      queuedBytes: this.#queuedBytes(),
      drops,
    };
  }

  close(reason: string): void {
    this.#finish('closed', reason);
  }

  async #start(): Promise<void> {
    const { outbound, url } = this.#attempt;
    try {
      const target = await outbound.resolve(url);
      if (this.#over) return;
      await this.#connect(target, ttlOf(url));
      if (this.#over) return;
      this.#attempt.events.onConnected();
      this.#read();
    } catch (error) {
      this.#finish('unreachable', error instanceof Error ? error.message : String(error));
    }
  }

  async #connect({ address, family, port = 0 }: OutboundAddress, ttl: number | undefined): Promise<void> {
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    this.#socket = socket;
    this.#remoteAddress = address;
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(port, address, () => resolve());
    });
    socket.removeAllListeners('error');
    // The system tells in this way that nobody listens there; somebody may, later.
    socket.on('error', () => this.#refused());
    if (ttl !== undefined) socket.setMulticastTTL(ttl);
  }

  #read(): void {
    const { source, options } = this.#attempt;
    if (source.ended) return this.#finish('closed', 'the stream is over');
    const acceptance = playerAcceptance({
      video: new Set(options.without === 'video' ? [] : (['h264', 'h265'] as const)),
      audio: new Set(options.without === 'audio' ? [] : (['aac'] as const)),
    });
    const lease = this.#deps.adaptations.lease(source, acceptance, { steady: true });
    this.#lease = lease;
    this.#format = new TsFormat(lease.stream, options.without);
    this.#reader = lease.stream.attach({
      startAt: 'gop',
      onReadable: () => this.#drain(),
      onEnd: () => this.#finish('closed', 'the stream is over'),
    });
    this.#drain();
    source.viewerReady();
  }

  #drain(): void {
    const reader = this.#reader;
    const format = this.#format;
    if (reader === undefined || format === undefined || this.#over) return;
    for (let entry = reader.read(); entry !== undefined; entry = reader.read()) {
      const { packet, startPoint } = entry;
      if (!format.carries(packet.track)) this.#leaveOut(packet.track);
      else if (this.#mustSkip(startPoint)) this.#slow++;
      else this.#send(format.packet(packet));
    }
    this.#flush();
  }

  #leaveOut({ kind, codec }: Track): void {
    if (kind === this.#attempt.options.without) return;
    this.#notCarried++;
    if (this.#leftOut.has(codec)) return;
    this.#leftOut.add(codec);
    this.#attempt.events.onNote(`${codecTitle(codec)} is left out: MPEG-TS can not hold it`);
  }

  #mustSkip(startPoint: boolean): boolean {
    if (this.#queuedBytes() > MAX_QUEUED_BYTES) this.#skipping = true;
    else if (startPoint) this.#skipping = false;
    return this.#skipping;
  }

  #queuedBytes(): number {
    return this.#over ? 0 : (this.#socket?.getSendQueueSize() ?? 0);
  }

  #send(bytes: Buffer | undefined): void {
    if (bytes === undefined) return;
    this.#packets++;
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(bytes.length - at, DATAGRAM_BYTES - this.#pendingBytes);
      bytes.copy(this.#pending, this.#pendingBytes, at, at + taken);
      this.#pendingBytes += taken;
      at += taken;
      if (this.#pendingBytes === DATAGRAM_BYTES) this.#flush();
    }
  }

  #flush(): void {
    if (this.#pendingBytes === 0 || this.#over) return;
    const datagram = this.#pending.subarray(0, this.#pendingBytes);
    this.#pending = Buffer.allocUnsafe(DATAGRAM_BYTES);
    this.#pendingBytes = 0;
    if (this.#bytesOut === 0) this.#attempt.events.onMedia();
    this.#bytesOut += datagram.length;
    this.#socket?.send(datagram, (error) => {
      if (error !== null) this.#refused();
    });
  }

  #refused(): void {
    if (!this.#over) this.#attempt.events.onNote('some datagrams could not be delivered: perhaps nobody listens there');
  }

  #finish(code: RelayEndCode, message: string): void {
    if (this.#over) return;
    this.#flush();
    this.#over = true;
    this.#reader?.close();
    this.#lease?.[Symbol.dispose]();
    const end = { code, message };
    const socket = this.#socket;
    if (socket === undefined) return this.#resolve(end);
    // What was sent last is on its way when the system has been asked.
    setImmediate(() => socket.close(() => this.#resolve(end)));
  }
}
